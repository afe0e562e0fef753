"""What an optimizer cannot be combined with, found before step 1; and what it can be, with a word of caution.

Micro-batches are not in the table: every optimizer here works with them, also those that evaluate the gradient again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from trainwright.config.errors import ConfigError
from trainwright.config.model import PartConfig
from trainwright.optim.options import AVERAGING, chain


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What an optimizer is combined with."""

    precision: str = "fp32"
    """fp32, tf32, bf16 or fp16; only fp16 scales the loss."""
    parameter_groups: int = 1
    """Groups with a learning rate, weight decay or schedule of their own, the default one included."""
    freezes: bool = False
    """Whether parameters are frozen or unfrozen during the run."""
    whole_data: bool = False
    """Whether a step sees all training rows."""
    clips: bool = False
    """Whether gradients are clipped, by norm or by value."""
    averages: bool = False
    """Whether averaged weights (EMA, SWA) are evaluated or saved."""
    decays: bool = False
    """Whether the schedule lowers the learning rate."""


@dataclass(frozen=True)
class Conflict:
    """One impossible or doubtful combination."""

    types: tuple[str, ...]
    applies: Callable[[PartConfig, Setting], bool]
    where: str
    """What of the configuration is at odds with the optimizer."""
    what: str
    """`{}` is the optimizer's name."""
    why: str
    fix: str


IMPOSSIBLE = (
    Conflict(
        ("lbfgs", "sam"),
        lambda options, setting: setting.precision == "fp16",
        "trainer.precision",
        "{} cannot be combined with fp16",
        "a step that overflows is made again at a smaller loss scale, and here later gradients of the step depend on the first",
        "use bf16 or fp32",
    ),
    Conflict(
        ("lbfgs",),
        lambda options, setting: setting.parameter_groups > 1,
        "trainer.parameters",
        "{} has no parameter groups",
        "all parameters are one vector with one step length",
        "leave the rules out, or use adamw",
    ),
    Conflict(
        ("lbfgs",),
        lambda options, setting: setting.freezes,
        "trainer.parameters",
        "{} cannot freeze parameters during the run",
        "its past updates are vectors over all parameters",
        "freeze them from the start, or use adamw",
    ),
    Conflict(
        (*AVERAGING, "lookahead"),
        lambda options, setting: setting.averages and getattr(options, "evaluate", "slow") == "slow",
        "trainer.ema",
        "{} averages the weights itself",
        "only one set of weights can be evaluated and saved",
        "leave the averages out; with lookahead `evaluate: fast` keeps them",
    ),
)

DOUBTFUL = (
    Conflict(
        ("lbfgs",),
        lambda options, setting: setting.clips,
        "trainer.clip",
        "{} with clipped gradients",
        "a clipped gradient is no longer the slope of the loss, so a line search has no guarantee",
        "",
    ),
    Conflict(
        ("lbfgs",),
        lambda options, setting: not setting.whole_data,
        "trainer.batch_size",
        "{} with batches that change from step to step",
        "its curvature is learned from differences between gradients, and here rows differ as well",
        "",
    ),
    Conflict(
        AVERAGING,
        lambda options, setting: setting.decays,
        "trainer.schedule",
        "{} with a learning rate that decays",
        "its average takes the place of the decay",
        "",
    ),
)


def cannot_combine(options: PartConfig, setting: Setting) -> list[ConfigError]:
    """An error for every impossible combination of the optimizer, or one inside it, with the setting; all at once."""
    return [
        ConfigError(conflict.what.format(each.type), where=conflict.where, why=conflict.why, fix=conflict.fix)
        for each, conflict in _find(options, setting, IMPOSSIBLE)
    ]


def cautions(options: PartConfig, setting: Setting) -> list[str]:
    """One sentence for every combination that works and may not do what is hoped for."""
    return [f"{conflict.what.format(each.type)}: {conflict.why}" for each, conflict in _find(options, setting, DOUBTFUL)]


def _find(options: PartConfig, setting: Setting, conflicts: tuple[Conflict, ...]) -> list[tuple[PartConfig, Conflict]]:
    return [
        (each, conflict)
        for each in chain(options)
        for conflict in conflicts
        if each.type in conflict.types and conflict.applies(each, setting)
    ]

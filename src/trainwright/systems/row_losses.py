"""Making the loss of a target: a registered one, or one named by path, which is tried on two rows first."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from trainwright.config.class_options import is_loss_function
from trainwright.config.errors import FOREIGN, ConfigError, TrainwrightError
from trainwright.config.model import PartConfig
from trainwright.config.own_code import describe_failure
from trainwright.config.registry import build, load
from trainwright.features.spec import TargetSpec
from trainwright.losses.base import Criterion
from trainwright.losses.classes import IndexCriterion
from trainwright.losses.function import FunctionCriterion, refuse_reduction, without_reduction
from trainwright.losses.rows import ColumnLoss, PositionLoss, RowLoss
from trainwright.losses.shared_options import CriterionOptions, FunctionOptions
from trainwright.nn.untouched import untouched

TRUTHS: dict[str, Callable[[int], Tensor]] = {
    "number": lambda width: torch.tensor([-0.5, 1.0]),
    "vector": lambda width: torch.linspace(-1, 1, 2 * width).view(2, width),
    "binary": lambda width: torch.tensor([0, 1]),
    "category": lambda width: torch.tensor([0, 1]),
    "set": lambda width: (torch.arange(2 * width).view(2, width) % 2).float(),
}
"""Kind of target → the truth of two rows, with which a loss that is not known is tried."""


def make_loss(options: PartConfig, target: TargetSpec) -> RowLoss:
    """The loss of a target per row; one named by path follows torch's convention of outputs and truth, and is tried on two rows."""
    where = f"the loss of '{target.name}'"
    kind = load("loss", options.type)
    if isinstance(options, CriterionOptions) and isinstance(kind, type) and issubclass(kind, Criterion):
        return _position_loss(options, target, kind) if target.positions else ColumnLoss(options, target, kind)
    loss = _loss_at_path(kind, options, target, where)
    if isinstance(loss, RowLoss):
        return loss
    if not callable(loss):
        fix = "name a class or function of (output, target)"
        raise ConfigError(f"'{options.type}' gives a {type(loss).__name__}, which is no loss", where=where, fix=fix)
    refuse_reduction(getattr(options, "reduction", "mean"), options.type)
    function = FunctionOptions(type=options.type)
    foreign = ColumnLoss(function, target, lambda _: FunctionCriterion(without_reduction(loss), function))
    try_loss(foreign, target)
    return foreign


def _position_loss(options: CriterionOptions, target: TargetSpec, kind: type[Criterion]) -> RowLoss:
    """The loss of a target with a class at every position; raises ConfigError for a loss that knows no positions."""
    if issubclass(kind, IndexCriterion) or kind.of_pixels:
        return PositionLoss(options, target, kind)
    why, fix = (
        "it is not of one class number at each position",
        "use cross_entropy, label_smoothing_cross_entropy, focal, dice, tversky or lovasz",
    )
    raise ConfigError(f"'{options.type}' is no loss of positions", where=f"the loss of '{target.name}'", why=why, fix=fix)


def _loss_at_path(found: Any, options: PartConfig, target: TargetSpec, where: str) -> Any:
    """What is at the path, made with its options: an instance of a class, or a function with them bound."""
    if is_loss_function(found):
        chosen = options.model_dump(exclude={"type", "reduction"}, exclude_unset=True)
        return partial(found, **chosen) if chosen else found
    try:
        return build("loss", options, target=target)
    except TrainwrightError:
        raise
    except FOREIGN as error:  # code of others may raise anything
        why = describe_failure(error)
        raise ConfigError(f"the loss '{options.type}' cannot be made", where=where, why=why, fix="give it other options") from error


def try_loss(loss: ColumnLoss, target: TargetSpec) -> None:
    """Calls a loss with two rows that are made up for the target; raises ConfigError when it fails or cannot be trained on."""
    if target.kind not in TRUTHS:
        return
    output = torch.linspace(-1, 1, 2 * target.width).view(2, target.width).requires_grad_()
    try:
        with untouched(loss), torch.enable_grad():
            rows = loss(output, TRUTHS[target.kind](target.width))
    except TrainwrightError as error:
        raise ConfigError(error.what, where=f"the loss of '{target.name}'", why=error.why, fix=error.fix) from error
    except FOREIGN as error:  # code of others may raise anything
        what = f"the loss '{loss.loss.name}' does not take the outputs and truth of a {target.kind} target"
        why = describe_failure(error)
        truth = TRUTHS[target.kind](target.width)
        seen = f"outputs {tuple(output.shape)} and truth {tuple(truth.shape)} {str(truth.dtype).removeprefix('torch.')} for 2 rows"
        raise ConfigError(
            what, where=f"the loss of '{target.name}'", why=why, fix=f"it is tried with {seen}: change it, or its options"
        ) from error
    if not rows.requires_grad:
        fix = "compute it with torch from the outputs, without .detach(), .item() or rounding"
        raise ConfigError(f"the loss '{loss.loss.name}' does not depend on the outputs", where=f"the loss of '{target.name}'", fix=fix)

"""Options of the optimizers that are our own; those that wrap a class of torch.optim are in `torch_options`."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, field_validator

from trainwright.config.choice import choice
from trainwright.config.errors import ConfigError
from trainwright.config.model import PartConfig, as_refusal

Decay = Annotated[float, Field(ge=0, lt=1)]
LearningRate = Annotated[float, Field(ge=0)] | Literal["auto"]
"""A number, or `auto` for what a range test finds before the first step."""

AVERAGING = ("schedule_free_adamw", "schedule_free_sgd")
"""Optimizers that keep an average of the weights for evaluation."""


NEVER = {
    "maximize": "what is trained here is a loss: leave it out, and give a loss that falls as the model gets better (the negative)",
    "differentiable": "leave it out: no graph is kept through an update, for example for gradients of hyperparameters",
}
"""Arguments of torch's optimizers that none has here, and what to do instead."""


def of_torch(kind: str, *names: str, **instead: str) -> dict[str, str]:
    """What to do instead of arguments that torch's class has and ours has not: `names` are arguments of the class by its path."""
    kernels = {"foreach", "fused"} & set(names)
    lean = "it is one fused kernel already where the device has one: leave it out; "
    found = {name: f"{lean if name in kernels else ''}torch's own takes it: type: torch.optim.{kind}" for name in names}
    return {**NEVER, **found, **instead}


class OptimizerOptions(PartConfig):
    """What every optimizer here has."""

    of_others: ClassVar[dict[str, str]] = NEVER

    learning_rate: LearningRate = 1e-3
    """Base learning rate; the schedule multiplies it; `auto` is found by a range test."""

    @property
    def rate(self) -> float:
        """The learning rate as a number; raises ConfigError while it is still to be found."""
        if self.learning_rate == "auto":
            raise ConfigError("the learning rate is still to be found", where="trainer.optimizer.learning_rate", fix="give a number here")
        return float(self.learning_rate)


class AdamOptions(OptimizerOptions):
    """Adam (Kingma and Ba 2015); weight decay is added to the gradient."""

    of_others: ClassVar[dict[str, str]] = of_torch(
        "Adam", "amsgrad", "foreach", "fused", decoupled_weight_decay="type: adamw is Adam with decoupled weight decay"
    )

    type: str = "adam"
    betas: list[Decay] = Field(default=[0.9, 0.999], min_length=2, max_length=2)
    """Decay per step of the running mean of the gradient and of its square."""
    eps: float = Field(default=1e-8, gt=0)
    """Added to the root of the second moment."""
    weight_decay: float = Field(default=0.0, ge=0)
    """L2 penalty."""
    capturable: bool = False
    """Ask for a device on which a CUDA graph can hold the update: the step count lies there anyway, beside the parameters."""


class AdamWOptions(AdamOptions):
    """AdamW (Loshchilov and Hutter 2019); weights decay by `learning_rate * weight_decay` per step."""

    of_others: ClassVar[dict[str, str]] = of_torch("AdamW", "amsgrad", "foreach", "fused")

    type: str = "adamw"
    weight_decay: float = Field(default=0.01, ge=0)
    """Decoupled weight decay."""


class AdamW8bitOptions(AdamWOptions):
    """AdamW whose moments are kept in 8 bits per value, block by block (Dettmers et al. 2022): a quarter of AdamW's state."""

    type: str = "adamw_8bit"
    block_size: int = Field(default=256, ge=16)
    """Values that share one scale; smaller blocks are more exact and keep more scales."""
    smallest: int = Field(default=4096, ge=1)
    """Parameters with fewer values than this keep their moments in full."""


class SGDOptions(OptimizerOptions):
    """Stochastic gradient descent, with momentum on request."""

    of_others: ClassVar[dict[str, str]] = of_torch("SGD", "foreach", "fused")

    type: str = "sgd"
    learning_rate: LearningRate = 1e-2
    """Base learning rate; the schedule multiplies it."""
    momentum: float = Field(default=0.0, ge=0, lt=1)
    """Share of the last update that is kept."""
    dampening: float = Field(default=0.0, ge=0, le=1)
    """Share of the gradient left out of the momentum."""
    nesterov: bool = False
    """Look ahead along the momentum; needs momentum and no dampening."""
    weight_decay: float = Field(default=0.0, ge=0)
    """L2 penalty."""


class LionOptions(OptimizerOptions):
    """Lion (Chen et al. 2023): the sign of an interpolated momentum; wants about a tenth of AdamW's rate and ten times its decay."""

    type: str = "lion"
    learning_rate: LearningRate = 1e-4
    """Base learning rate, the size of every element's update; the schedule multiplies it."""
    betas: list[Decay] = Field(default=[0.9, 0.99], min_length=2, max_length=2)
    """Share of the momentum in the update, and decay per step of the momentum."""
    weight_decay: float = Field(default=0.1, ge=0)
    """Decoupled weight decay."""


class LambOptions(OptimizerOptions):
    """LAMB (You et al. 2020): Adam whose step is scaled by the norm of each tensor, for large batches; as NVIDIA and timm have it."""

    type: str = "lamb"
    betas: list[Decay] = Field(default=[0.9, 0.999], min_length=2, max_length=2)
    """Decay per step of the running mean of the gradient and of its square."""
    eps: float = Field(default=1e-6, gt=0)
    """Added to the root of the second moment."""
    weight_decay: float = Field(default=0.01, ge=0)
    """Added to Adam's direction, before it is scaled."""
    max_grad_norm: float | None = Field(default=1.0, gt=0)
    """Largest norm of the gradient over all parameters; null for none."""
    always_adapt: bool = False
    """Scale the steps of parameters without weight decay too."""
    trust_clip: bool = False
    """Never lengthen a step (LAMBC)."""


class TimmOptimizerOptions(OptimizerOptions):
    """An optimizer of timm by its name, where Trainwright has none of its own."""

    member: ClassVar[str] = "name"
    """The option that `FAMILY/NAME` gives."""

    type: str = "timm"
    name: str = Field(min_length=1)
    """As `timm.optim.list_optimizers()` has it: `adamp`, `madgrad`, `adan`."""
    weight_decay: float = Field(default=0.0, ge=0)
    """Weight decay, in the way of the optimizer."""
    betas: list[Decay] | None = None
    """Its own default where not given."""
    momentum: float | None = Field(default=None, ge=0, lt=1)
    """Its own default where not given."""
    eps: float | None = Field(default=None, gt=0)
    """Its own default where not given."""
    opt_kwargs: dict[str, Any] = {}
    """Further arguments of its class."""


class MuonOptions(OptimizerOptions):
    """Muon (Jordan et al. 2024): momentum made orthogonal, for hidden weight matrices; all else is left to another optimizer.

    "All else" is every parameter that has not two dimensions, and those whose names match `rest_match`.
    """

    of_others: ClassVar[dict[str, str]] = of_torch(
        "Muon", "ns_coefficients", "eps", ns_steps="it is called iterations here", adjust_lr_fn="it is called adjust here"
    )

    type: str = "muon"
    learning_rate: LearningRate = 0.02
    """Base learning rate of the matrices; the schedule multiplies it."""
    momentum: float = Field(default=0.95, ge=0, lt=1)
    """Decay per step of the running mean of the gradient."""
    nesterov: bool = True
    """Look ahead along the momentum."""
    weight_decay: float = Field(default=0.1, ge=0)
    """Decoupled weight decay of the matrices."""
    iterations: int = Field(default=5, ge=1, lt=100)
    """Newton–Schulz iterations, in bfloat16."""
    adjust: Literal["original", "match_rms_adamw"] = "original"
    """How the rate follows the shape `rows x columns`: √max(1, rows/columns), or 0.2·√max(rows, columns), which suits AdamW's rates."""
    rest_match: list[str] = ["*embed*", "*head*", "encoders.*", "decoders.*"]
    """Parameters or modules of these names (`*`, or `re:…`) go to `rest` whatever their shape: inputs and outputs are not hidden."""
    rest: choice("optimizer") = Field(default="adamw", validate_default=True)  # type: ignore[valid-type]
    """The optimizer of all other parameters, with its own learning rate, which the schedule multiplies alike."""

    @field_validator("rest")
    @classmethod
    def _is_plain(cls, value: PartConfig) -> PartConfig:
        return _refuse(value, ("lbfgs", "sam", "muon", "lookahead", "sparse_adam", *AVERAGING), "muon", "rest")


class ScheduleFreeSGDOptions(OptimizerOptions):
    """Schedule-free SGD (Defazio et al. 2024): an average of the iterates takes the place of a decaying learning rate.

    Wants `schedule: constant`, with warm-up if any. Evaluated and saved are the averaged weights x, trained are y.
    """

    type: str = "schedule_free_sgd"
    learning_rate: LearningRate = 1.0
    """Base learning rate; the schedule multiplies it. Larger ones than with a decaying schedule do best."""
    momentum: float = Field(default=0.9, gt=0, lt=1)
    """Share of the average in the point where the gradient is taken (β)."""
    weight_decay: float = Field(default=0.0, ge=0)
    """L2 penalty, taken at y."""


class ScheduleFreeAdamWOptions(OptimizerOptions):
    """Schedule-free AdamW (Defazio et al. 2024, algorithm 1): an average of the iterates takes the place of a decaying learning rate.

    Wants `schedule: constant`, with warm-up if any. Evaluated and saved are the averaged weights x, trained are y.
    """

    type: str = "schedule_free_adamw"
    learning_rate: LearningRate = 2.5e-3
    """Base learning rate; the schedule multiplies it."""
    betas: list[Annotated[float, Field(gt=0, lt=1)]] = Field(default=[0.9, 0.999], min_length=2, max_length=2)
    """Share of the average in the point where the gradient is taken, and decay per step of the mean squared gradient."""
    eps: float = Field(default=1e-8, gt=0)
    """Added to the root of the second moment."""
    weight_decay: float = Field(default=0.01, ge=0)
    """Decoupled weight decay, taken at y."""


class LookaheadOptions(PartConfig):
    """Lookahead (Zhang et al. 2019): slow weights follow those of another optimizer every few steps."""

    member: ClassVar[str] = "inner"
    """The option that `lookahead/adam` gives."""

    type: str = "lookahead"
    inner: choice("optimizer") = Field(default="adamw", validate_default=True)  # type: ignore[valid-type]
    """The optimizer of the fast weights; the learning rate is its own."""
    every: int = Field(default=5, ge=1)
    """Steps between two moves of the slow weights (k)."""
    alpha: float = Field(default=0.5, gt=0, le=1)
    """Share of the way from the slow to the fast weights that a move goes."""
    evaluate: Literal["slow", "fast"] = "slow"
    """The weights that are evaluated and saved; the paper's result are the slow ones."""

    @field_validator("inner")
    @classmethod
    def _is_plain(cls, value: PartConfig) -> PartConfig:
        return _refuse(value, ("lbfgs", "lookahead", *AVERAGING), "lookahead", "inner")


class SAMOptions(PartConfig):
    """Sharpness-aware minimisation (Foret et al. 2021): the gradient at the worst point nearby; every step costs two passes.

    The second pass sees the same rows with the same randomness and does not count in the running statistics of batch norms.
    """

    type: str = "sam"
    inner: choice("optimizer") = Field(default="sgd", validate_default=True)  # type: ignore[valid-type]
    """The optimizer that makes the step; the learning rate is its own."""
    rho: float = Field(default=0.05, gt=0)
    """Distance to the point nearby; with `adaptive` ten times as much is usual."""
    adaptive: bool = False
    """Measure the distance relative to each weight (ASAM, Kwon et al. 2021)."""
    eta: float = Field(default=0.01, ge=0)
    """Added to the size of each weight that the adaptive distance is relative to."""

    @field_validator("inner")
    @classmethod
    def _is_plain(cls, value: PartConfig) -> PartConfig:
        return _refuse(value, ("lbfgs", "sam", "sparse_adam"), "sam", "inner")


class LBFGSOptions(OptimizerOptions):
    """Limited-memory BFGS, `torch.optim.LBFGS`: many passes per step over the same rows, best with the whole data as one batch.

    The host waits for the loss at every pass. Memory: (2 · history + 5) times the parameters. Works with micro-batches; clipping is
    allowed, yet a line search over clipped gradients has no guarantee. Not with fp16 or parameter groups, and no parameter is frozen
    or thawed on the way.
    """

    of_others: ClassVar[dict[str, str]] = of_torch("LBFGS", line_search_fn="it is called line_search here")

    type: str = "lbfgs"
    learning_rate: LearningRate = 1.0
    """Length of the step, the first one tried with a line search; the schedule multiplies it."""
    max_iter: int = Field(default=20, ge=1)
    """Iterations per step."""
    max_eval: int | None = Field(default=None, ge=1)
    """Evaluations of the loss per step; null means max_iter · 5 / 4."""
    tolerance_grad: float = Field(default=1e-7, ge=0)
    """A step ends when no gradient element is larger."""
    tolerance_change: float = Field(default=1e-9, ge=0)
    """A step ends when loss or parameters change by less."""
    history_size: int = Field(default=10, ge=1)
    """Past updates that approximate the Hessian; torch keeps 100."""
    line_search: Literal["strong_wolfe"] | None = "strong_wolfe"
    """`strong_wolfe`, or null for steps of fixed length."""


def _refuse(value: PartConfig, types: tuple[str, ...], outer: str, field: str) -> PartConfig:
    if value.type in types:
        fix = f"put {outer} inside it" if value.type in ("sam", "lookahead") and value.type != outer else "take adamw or sgd"
        raise as_refusal(ConfigError(f"{outer} cannot have '{value.type}' as its {field}", fix=fix))
    return value


def chain(options: PartConfig) -> list[PartConfig]:
    """The optimizer and those inside it (`inner`), outermost first."""
    found = [options]
    while isinstance(inner := getattr(found[-1], "inner", None), PartConfig):
        found.append(inner)
    return found

"""What is told where rows are joined with others of their step. Imports no torch."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from trainwright.config.durations import Duration
from trainwright.config.errors import ConfigError
from trainwright.config.model import refusal
from trainwright.data.transforms.config import TransformConfig


class JoinedRowsOptions(TransformConfig):
    """What is set where each training row is joined with another one of its step, in whatever way."""

    others: Literal["error", "keep"] = "error"
    """Inputs that have no middle, such as classes and words: refused (`error`), or left as they are in the row itself (`keep`)."""
    before_columns: bool = False
    """Whether rows are joined before what columns do on the device: waveforms, say, of which spectra are made there then."""
    applies_in: Literal["train"] = "train"
    """Training rows alone."""
    runs_on: Literal["device"] = "device"
    """The whole batch of a step, before it is cut into micro-batches."""
    of: Literal["all"] = "all"
    """Inputs and targets are joined together."""
    classes: int | None = Field(default=None, ge=2)
    """How many classes there are, for data of one's own whose target is the number of a class; it becomes the share of each class."""
    target: str = "target"
    """The part of such data that is the class."""
    joins_rows: ClassVar[bool] = True


class JoiningOptions(JoinedRowsOptions):
    """What is set where the larger share of a row is its own."""

    alpha: float = Field(default=0.2, gt=0)
    """The share of a row is drawn from Beta(alpha, alpha), the larger one its own: small values mix little."""
    shares: Literal["step", "row"] = "step"
    """One share for all rows of a step, or another one for each `row`."""
    probability: float = Field(default=1.0, gt=0, le=1)
    """Of each row, that it is joined with another one at all."""


class MixupOptions(JoiningOptions):
    """Each training row mixed with another one of its step, inputs and targets in the same shares (Zhang et al. 2018)."""

    type: str = "mixup"
    main: ClassVar[str] = "alpha"


class CutmixOptions(JoiningOptions):
    """A piece of each training row replaced by that of another one of its step, targets in the shares of what is left (Yun et al. 2019)."""

    type: str = "cutmix"
    main: ClassVar[str] = "alpha"
    alpha: float = Field(default=1.0, gt=0)
    """The share that a row keeps is drawn from Beta(alpha, alpha), the larger one its own; 1 draws all alike."""
    along: Literal["time", "box"] = "time"
    """A stretch of `time`, or of spectrograms and pictures a `box` over the last two dimensions."""


class MixOptions(JoinedRowsOptions):
    """Mixup or cutmix, whichever is drawn, with the semantics of timm's flags; partners are other rows of the whole step."""

    type: str = "mix"
    mixup: float = Field(default=0.0, ge=0)
    """Shares of mixup are drawn from Beta(mixup, mixup), timm's `--mixup`; 0: no mixup."""
    cutmix: float = Field(default=0.0, ge=0)
    """What cutmix leaves of a picture is drawn from Beta(cutmix, cutmix), timm's `--cutmix`; 0: no cutmix."""
    minmax: Annotated[list[Annotated[float, Field(ge=0, le=1)]], Field(min_length=2, max_length=2)] | None = None
    """Sides of a box from this to that share of the picture, in place of `cutmix`: timm's `--cutmix-minmax 0.2 0.8`."""
    p: float = Field(default=1.0, ge=0, le=1)
    """The probability that anything is mixed, timm's `--mixup-prob`."""
    switch: float = Field(default=0.5, ge=0, le=1)
    """Where both are on, the probability of cutmix: timm's `--mixup-switch-prob`."""
    per: Literal["batch", "pair", "sample"] = "batch"
    """What has draws of its own: a whole step, two rows that are mixed with each other, or each row; timm's `--mixup-mode`."""
    until: Duration | None = None
    """When mixing ends: `280 epochs`, `0.9 run`, timm's `--mixup-off-epoch`; without it never."""
    correct: bool = True
    """Whether the share is what a box really leaves, where an edge cuts it off."""
    smoothing: float = Field(default=0.0, ge=0, lt=1)
    """Of data of one's own with `classes`: this share of the truth is spread over all classes; of columns the loss does it."""

    @model_validator(mode="after")
    def _does_something(self) -> Self:
        refusal(_ensure_mixes)(self)
        return self

    @property
    def cuts(self) -> float:
        """The parameter of what cutmix leaves; 0 without it."""
        return 1.0 if self.minmax is not None else self.cutmix


def _ensure_mixes(options: MixOptions) -> None:
    if not options.mixup and not options.cuts:
        fix = "write for example {mix: {mixup: 0.8, cutmix: 1.0}}"
        raise ConfigError("mix has neither mixup nor cutmix", why="both are 0, so that nothing would be mixed", fix=fix)
    if options.minmax is not None and options.minmax[0] >= options.minmax[1]:
        low, high = options.minmax
        raise ConfigError(f"minmax is {low:g} to {high:g}", why="the smaller share comes first", fix="minmax: [0.2, 0.8]")
    if options.smoothing and options.classes is None:
        why = "the loss smooths the truth of a column, mixed or not, in the same way"
        raise ConfigError(
            "smoothing of mix is of data of one's own with `classes`",
            why=why,
            fix="columns.NAME.loss: {type: cross_entropy, label_smoothing: 0.1}",
        )

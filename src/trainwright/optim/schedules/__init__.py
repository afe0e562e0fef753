"""Learning-rate schedules: what multiplies the base learning rate at each step."""

from __future__ import annotations

from pydantic import Field, model_validator

from trainwright.config.durations import Duration
from trainwright.config.model import PartConfig
from trainwright.config.registry import Part


class ConstantOptions(PartConfig):
    """The base learning rate throughout, after a linear warm-up on request."""

    type: str = "constant"
    warmup: Duration = Duration(0, "steps")
    """Linear rise from 0 at the start (`100 steps`, `1 epoch`, `0.05 run`)."""


class CosineOptions(PartConfig):
    """Half a cosine from the base learning rate to `floor` times it, after a linear warm-up on request (Loshchilov and Hutter 2017)."""

    type: str = "cosine"
    warmup: Duration = Duration(0, "steps")
    """Linear rise from 0 at the start (`100 steps`, `1 epoch`, `0.05 run`)."""
    floor: float = Field(default=0.0, ge=0, le=1)
    """Share of the base learning rate at the end."""


class LinearOptions(PartConfig):
    """A straight line from the base learning rate to `floor` times it, after a linear warm-up on request."""

    type: str = "linear"
    warmup: Duration = Duration(0, "steps")
    """Linear rise from 0 at the start (`100 steps`, `1 epoch`, `0.05 run`)."""
    floor: float = Field(default=0.0, ge=0, le=1)
    """Share of the base learning rate at the end."""


class StepOptions(PartConfig):
    """Multiplied by `factor` at every whole multiple of `every`."""

    type: str = "step"
    every: Duration = Duration(30, "epochs")
    """How often the learning rate falls."""
    factor: float = Field(default=0.1, gt=0, le=1)
    """What it is multiplied by."""
    warmup: Duration = Duration(0, "steps")
    """Linear rise from 0 at the start (`100 steps`, `1 epoch`, `0.05 run`)."""


class PlateauOptions(PartConfig):
    """Multiplied by `factor` when the monitored metric has not improved for `patience` evaluations."""

    type: str = "plateau"
    factor: float = Field(default=0.1, gt=0, lt=1)
    """What the learning rate is multiplied by."""
    patience: int = Field(default=10, ge=1)
    """Evaluations without improvement before it falls."""
    min_delta: float = Field(default=0.0, ge=0)
    """The least change that counts as an improvement."""
    cooldown: int = Field(default=0, ge=0)
    """Evaluations after a fall that are not counted."""
    floor: float = Field(default=0.0, ge=0, le=1)
    """Least share of the base learning rate."""
    warmup: Duration = Duration(0, "steps")
    """Linear rise from 0 at the start (`100 steps`, `1 epoch`, `0.05 run`)."""

    @model_validator(mode="after")
    def _floor_is_reachable(self) -> PlateauOptions:
        if self.floor == 1:
            raise ValueError("a floor of 1 leaves nothing to reduce")
        return self


PARTS: dict[str, Part] = {
    "constant": Part("trainwright.optim.schedules.constant:Constant", ConstantOptions, "the same throughout"),
    "cosine": Part("trainwright.optim.schedules.cosine:Cosine", CosineOptions, "half a cosine to the end of the run"),
    "linear": Part("trainwright.optim.schedules.linear:Linear", LinearOptions, "a straight line to the end of the run"),
    "step": Part("trainwright.optim.schedules.step:Step", StepOptions, "falls by a factor at intervals"),
    "plateau": Part("trainwright.optim.schedules.plateau:Plateau", PlateauOptions, "falls when the monitored metric stops improving"),
}

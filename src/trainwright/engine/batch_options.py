"""Options of the sizes of a step: batch, micro-batch, accumulation, how the learning rate follows them, and how `auto` is measured."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from trainwright.config.durations import Duration, time_above_zero
from trainwright.config.errors import ConfigError
from trainwright.config.model import ConfigModel, as_refusal

BatchSize = Annotated[int, Field(ge=0)] | Literal["auto"] | None
"""Samples per step; null and 0 follow from the number of rows, `auto` is measured."""
Pieces = Annotated[int, Field(ge=1)] | Literal["auto"] | None
"""A number, `auto`, or null for what follows from the other sizes."""


class LearningRateScaling(ConfigModel):
    """How the learning rate follows the batch that a step really has."""

    rule: Literal["none", "linear", "sqrt"] = "none"
    """`linear`: learning_rate · batch / reference (Goyal et al. 2017); `sqrt`: its root, which suits Adam (Malladi et al. 2022)."""
    reference: int = Field(default=256, ge=1)
    """The batch for which the learning rate was written down."""

    @model_validator(mode="before")
    @classmethod
    def _by_name(cls, value: Any) -> Any:
        """A rule alone, as in Ludwig, does not say of which batch the rate is."""
        if not isinstance(value, str):
            return value
        if value in ("none", "constant"):
            return {"rule": "none"}
        if value not in ("linear", "sqrt"):
            return {"rule": value}
        why = "the rate follows the rows of a step, which batch_size counts over all processes, not their number as in Ludwig"
        fix = f"write {{rule: {value}, reference: 64}}, with the batch of one process in the place of 64 to scale as Ludwig does"
        raise as_refusal(ConfigError(f"'{value}' does not say for which batch the learning rate was written", why=why, fix=fix))


class TuningOptions(ConfigModel):
    """How what is `auto` is measured before the first step."""

    max_time: Duration = Duration(30, "s")
    """Time after which no further batch size is tried; a trial that has begun is finished."""
    max_trials: int | None = Field(default=None, ge=1)
    """Batch sizes that are tried at most; `null` is limited by time alone."""
    halving_limit: int | None = Field(default=None, ge=0)
    """How often the first size is halved where it does not fit, before the run is refused; `null` goes down to one row."""
    snapshot_weights: bool = True
    """Weights and buffers are copied before sizes are tried, and put back; without, the tiny steps of the trials stay in them."""
    tolerance: float = Field(default=0.05, ge=0, lt=1)
    """Throughput that may be given up for a smaller batch: the smallest size so close to the fastest is taken."""
    memory_margin: float = Field(default=0.1, ge=0, lt=1)
    """CUDA: share of the memory there is that a step must leave free."""
    range_steps: int = Field(default=100, ge=20)
    """Steps of the learning-rate range test, at most."""
    range_from: float = Field(default=1e-7, gt=0)
    """The learning rate it begins with."""
    range_to: float = Field(default=10.0, gt=0)
    """The learning rate it ends with, unless the loss has left the ground before."""

    @model_validator(mode="after")
    def _range_rises(self) -> TuningOptions:
        if self.range_from >= self.range_to:
            why = f"range_from is {self.range_from:g} and range_to {self.range_to:g}"
            raise as_refusal(ConfigError("the range of learning rates does not rise", why=why, fix="make range_to the larger"))
        return self

    _max_time = field_validator("max_time")(time_above_zero)

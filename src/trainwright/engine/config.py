"""The `trainer:` section: how long, how large the steps are, when to evaluate, save and stop."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field, ValidationInfo, field_validator

from trainwright.config.choice import choice
from trainwright.config.durations import Duration
from trainwright.config.errors import ConfigError
from trainwright.config.model import ConfigModel, refused


class EarlyStopping(ConfigModel):
    """Stop when the monitored metric has not improved for `patience` evaluations."""

    patience: int = Field(default=20, ge=1)
    """Evaluations without improvement before the run stops."""
    min_delta: float = Field(default=0.0, ge=0)
    """The least change that counts as an improvement."""


class Clipping(ConfigModel):
    """Limits on the gradient before the update."""

    norm: float | None = Field(default=None, gt=0)
    """Largest global 2-norm."""
    value: float | None = Field(default=None, gt=0)
    """Largest absolute value of an element."""


class CheckpointConfig(ConfigModel):
    """When a checkpoint is written and which are kept; the best and the last always are."""

    every: Duration | None = None
    """How often, beside evaluations; without it, at the first logged row that is 10 minutes after the last checkpoint."""
    min_interval: Duration = Duration.parse("10 s")
    """Evaluations sooner than this after a checkpoint write none; the end of the run and signals always do."""
    keep_last: int = Field(default=2, ge=1)
    """Checkpoints kept of the latest; two, so that a damaged one has one before it."""
    keep_best: int = Field(default=1, ge=1)
    """Checkpoints kept of the best by the monitored metric."""

    @field_validator("every", "min_interval")
    @classmethod
    def _is_usable(cls, value: Duration | None, info: ValidationInfo) -> Duration | None:
        return a_time(value) if info.field_name == "min_interval" else above_zero(value)


class TrainerConfig(ConfigModel):
    """How long, how large the steps are, when to evaluate, save and stop."""

    alternatives: ClassVar[tuple[tuple[str, ...], ...]] = (("max_epochs", "max_steps"),)

    max_epochs: int | None = Field(default=None, ge=1)
    """Passes over the training rows. At most one of max_epochs and max_steps may be given."""
    max_steps: int | None = Field(default=None, ge=1)
    """Optimizer updates."""
    max_time: Duration | None = None
    """Wall time, checked at step boundaries; may be combined with either."""
    batch_size: int = Field(default=0, ge=0)
    """Samples per step; 0 picks one from the number of training rows."""
    micro_batch_size: int | None = Field(default=None, ge=1)
    """Samples per forward and backward pass; the batch is split into pieces of this size."""
    evaluation_batch_size: int = Field(default=4096, ge=1)
    """Samples per forward pass when nothing is learned."""
    evaluate_every: Duration = Duration.parse("1 epoch")
    """How often validation runs (`2 epochs`, `500 steps`, `30 s`, `0.1 run`)."""
    log_every: Duration = Duration.parse("50 steps")
    """How often the running loss is read from the device and logged."""
    monitor: str = "auto"
    """The validation metric that picks the best checkpoint and stops early: `loss`, `accuracy`, or `target.metric`."""
    mode: Literal["auto", "min", "max"] = "auto"
    """Whether the monitored metric is better when smaller or larger; `auto` knows it from the metric."""
    early_stopping: EarlyStopping | None = EarlyStopping()
    """`null` switches it off."""
    optimizer: choice("optimizer") = Field(default="adamw", validate_default=True)  # type: ignore[valid-type]
    """What turns gradients into updates, with its learning rate."""
    schedule: choice("schedule") = Field(default="constant", validate_default=True)  # type: ignore[valid-type]
    """How the learning rate changes over the run."""
    clip: Clipping = Clipping()
    """Limits on the gradient."""
    checkpoint: CheckpointConfig = CheckpointConfig()
    """When checkpoints are written and which are kept."""
    trackers: list[choice("tracker")] = Field(default=["csv", "tensorboard"], validate_default=True)  # type: ignore[valid-type]
    """Where metrics are written."""
    finite_check: bool = True
    """Stop with exit code 1 when the loss is not a finite number (seen at log points)."""

    @field_validator("max_time", "evaluate_every", "log_every")
    @classmethod
    def _is_usable(cls, value: Duration | None, info: ValidationInfo) -> Duration | None:
        return above_zero(a_time(value) if info.field_name == "max_time" else value)


def a_time(value: Duration | None) -> Duration | None:
    """The duration, refused when it does not count time."""
    if value is not None and value.kind != "time":
        raise refused(ConfigError(f"'{value}' is not a time", fix="write for example '10 s', '30 min' or '2 h'"))
    return value


def above_zero(value: Duration | None) -> Duration | None:
    """The duration, refused when it is nothing."""
    if value is not None and value.value <= 0:
        raise refused(ConfigError(f"'{value}' is no interval", fix="write a number above zero"))
    return value

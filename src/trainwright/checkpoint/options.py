"""The `trainer.checkpoint:` section."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, field_validator, model_validator

from trainwright.checkpoint.names import check_pattern
from trainwright.config.durations import Duration, a_time, above_zero
from trainwright.config.errors import ConfigError
from trainwright.config.model import ConfigModel, as_refusal


class CheckpointConfig(ConfigModel):
    """When a checkpoint is written and which are kept; the best and the last always are."""

    type: Literal["full", "weights", "none"] = "full"
    """`full` can be continued from; `weights` are weights alone, which a run cannot be continued from; `none` writes nothing, and the best
    weights are held in memory until the run ends."""
    every: Duration | None = None
    """How often, beside evaluations; without it, at the first logged row that is 10 minutes after the last checkpoint."""
    min_interval: Duration = Duration.parse("10 s")
    """Evaluations sooner than this after a checkpoint write none; the end of the run and signals always do."""
    keep_last: int | Literal["all"] = 2
    """Checkpoints kept of the latest, at least 1, or `all`; two, so that a damaged one has one before it."""
    keep_best: int = Field(default=1, ge=1)
    """Checkpoints kept of the best by the monitored metric."""
    keep_every: Duration | None = None
    """How often one is written that is never removed."""
    weights_every: Duration | None = None
    """How often the weights alone are written, never removed; a run cannot be continued from those."""
    best_as_weights: bool = False
    """Reduce a checkpoint that is kept only for being among the best to its weights."""
    before_job_end: Duration | None = Duration.parse("2 min")
    """Under Slurm one more is written so long before the job's time is over (`SLURM_JOB_END_TIME`); `null` writes none for that."""
    background: bool = True
    """Write while training goes on, from a copy in memory (as large as the checkpoint); `false` holds training until it is written."""
    on_exception: bool = True
    """Save when an error ends the run between two steps and the loss is finite; one within a step leaves the checkpoints as they are."""
    name: str | None = None
    """A second name, a link: `{step:08d}-{validation/loss:.3f}`, with `step`, `epoch` and the columns of metrics.csv."""

    @model_validator(mode="after")
    def _means_something(self) -> Self:
        """Raise for options that play no part in what is written."""
        idle = {"full": (), "weights": ("weights_every", "best_as_weights"), "none": tuple(type(self).model_fields)}[self.type]
        for name in idle:
            if name != "type" and getattr(self, name) != type(self).model_fields[name].default:
                why = "its checkpoints are weights alone already" if self.type == "weights" else "no checkpoint is written"
                raise as_refusal(ConfigError(f"{name} plays no part with type '{self.type}'", why=why, fix="leave it out"))
        return self

    _intervals = field_validator("every", "keep_every", "weights_every")(above_zero)
    _times = field_validator("min_interval", "before_job_end")(a_time)

    @field_validator("keep_last")
    @classmethod
    def _keeps_one(cls, value: int | str) -> int | str:
        if isinstance(value, int) and value < 1:
            raise as_refusal(ConfigError(f"{value} checkpoints could not be continued from", fix="keep at least 1"))
        return value

    @field_validator("name")
    @classmethod
    def _is_a_name(cls, value: str | None) -> str | None:
        try:
            return value if value is None else check_pattern(value)
        except ConfigError as error:
            raise as_refusal(error) from error


def _by_type(value: Any) -> Any:
    return {"type": value} if isinstance(value, str) else value


Form = Literal["full", "weights", "none"] | CheckpointConfig
Checkpoints = Annotated[CheckpointConfig, BeforeValidator(_by_type, json_schema_input_type=Form)]
"""`full`, `weights` or `none`, or a mapping."""

"""The `trainer.sampling:` section. Imports no torch."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Field, field_validator

from trainwright.config.durations import Duration, above_zero
from trainwright.config.model import ConfigModel


class SamplingOptions(ConfigModel):
    """What `sample` of the system makes while it trains, to be looked at; the run goes on as it would without."""

    every: Duration = Duration.parse("1 epoch")
    """How often (`2 epochs`, `500 steps`, `10 min`, `0.1 run`)."""
    n: int = Field(default=16, ge=1)
    """How many each time."""
    same_noise: bool | None = None
    """Begin from the same noise each time, so that pictures of two steps can be compared, or from new noise; unless said, as the system
    has it: diffusion begins from the same, others from new noise."""

    _every = field_validator("every")(above_zero)


def _by_length(value: Any) -> Any:
    return {"every": value} if isinstance(value, str | int) and not isinstance(value, bool) else value


Sampling = Annotated[SamplingOptions, BeforeValidator(_by_length, json_schema_input_type=Duration | SamplingOptions)]
"""A length (`500 steps`), or a mapping."""

"""How intervals of metrics are found. Imports neither numpy nor torch."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from trainwright.config.model import ConfigModel


class IntervalOptions(ConfigModel):
    """Percentile bootstrap of the rows that are measured: what is drawn, and how often."""

    by: str = ""
    """A column, such as a patient: its values are drawn, each with all its rows; default: the one by which the split keeps rows together,
    else rows are drawn. Rows without a value are drawn by themselves."""
    resamples: int | None = Field(default=None, ge=100, le=100_000)
    """Draws; default: 1000, and of very many groups a jackknife over 20 parts of them, which is said in `resampling`."""
    level: float = Field(default=0.95, gt=0, lt=1)
    """The share of draws between both ends."""


def _on_or_off(value: Any) -> Any:
    return (IntervalOptions() if value else None) if isinstance(value, bool) else value


Intervals = Annotated[IntervalOptions | None, BeforeValidator(_on_or_off, json_schema_input_type=bool | IntervalOptions | None)]
"""`true`, `false`, or a mapping."""

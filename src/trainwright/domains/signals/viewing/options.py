"""What `trainwright view` is told of a recording. Imports no torch."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Field, PositiveFloat

from trainwright.config.model import PartConfig


def _split(value: Any) -> Any:
    """Names with commas between them, as a list."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return [str(value)]
    if isinstance(value, str):
        return [each.strip() for each in value.split(",") if each.strip()]
    return value


class RecordingViewOptions(PartConfig):
    """Which part of a recording is shown, and what beside it."""

    type: str = "recording"
    start: float = Field(default=0.0, ge=0, json_schema_extra={"metavar": "S"})
    """Second at which the window begins."""
    seconds: PositiveFloat | None = Field(default=None, json_schema_extra={"metavar": "S"})
    """How long the window is; 10 of a recording and 30 of a sound where it is not given."""
    leads: Annotated[list[str], BeforeValidator(_split)] = Field(default=[], json_schema_extra={"metavar": "NAMES"})
    """Leads by name, commas between them, in this order; all without it."""
    rate: PositiveFloat | None = Field(default=None, json_schema_extra={"metavar": "HZ"})
    """Samples a second of a file that does not say it, or says it wrongly."""
    transform: Any = Field(default="", json_schema_extra={"metavar": "TRANSFORMS"})
    """Show it processed as well: `{bandpass: {low: 0.5, high: 40}}`, a YAML file with transforms, a configuration, or a run."""
    run: str = Field(default="", json_schema_extra={"metavar": "RUN"})
    """Show it processed as this run's model is given it."""
    column: str = Field(default="", json_schema_extra={"metavar": "NAME"})
    """Of a run or configuration with several columns of recordings the one whose transforms are taken."""
    peaks: bool = False
    """Mark R peaks, as the domain's detector finds them in all leads together."""
    annotations: str = Field(default="", json_schema_extra={"metavar": "ENDING"})
    """The file of annotations by its ending; `atr` where there is one."""
    repair: bool = False
    """Show what lies before damage, of a file that cannot be read whole."""

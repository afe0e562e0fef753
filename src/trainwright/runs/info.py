"""run.json: what it must hold, so that one odd or hostile file never stops a command that reads many."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from trainwright._version import __version__
from trainwright.config import received
from trainwright.config.errors import RunError

FORMAT = 1

Text = Annotated[str, Field(max_length=4096)]


class Headline(BaseModel):
    """The number that sums a run up."""

    model_config = ConfigDict(strict=True, extra="allow")

    target: Text | None = None
    metric: Text | None = None
    value: float | None = None
    split: Text | None = None


class RunInfo(BaseModel):
    """The fields of run.json that are read; what another version adds passes."""

    model_config = ConfigDict(strict=True, extra="allow")

    format: Annotated[int, Field(ge=1, le=FORMAT)]
    version: Text = ""
    name: Text = ""
    status: Text = ""
    created: Text = ""
    updated: Text = ""
    targets: list[Text] | None = None
    source: Text | None = None
    headline: Headline | None = None
    parent: Text | None = None
    forked_at: int | None = None


def read_info(folder: Path) -> dict[str, Any] | None:
    """run.json of the run in `folder`, None when it has none. Raises RunError when it is damaged or from a newer format."""
    place = folder / "run.json"
    try:
        info = received.read_mapping(place)
    except FileNotFoundError:
        return None
    written = info.get("format")
    if isinstance(written, int) and written > FORMAT:
        writer = str(info.get("version", "an unknown version"))[:40]
        why = f"it has format {written}, written by {writer}; this is {__version__}, which reads up to {FORMAT}"
        raise RunError("this run is from a newer Trainwright", where=str(folder), why=why, fix="pip install -U trainwright")
    try:
        RunInfo.model_validate(info)
    except ValidationError as error:
        first = error.errors()[0]
        raise received.damage(place, f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from error
    return info

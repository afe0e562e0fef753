"""A source that is named as one recording, or as a part of one: `RECORD#t=0,10`."""

from __future__ import annotations

from pathlib import Path

from trainwright.config.errors import DataError
from trainwright.domains.signals.reading import split_reference


def split_given(given: str) -> tuple[str, str]:
    """The path, and with its `#` the fragment that names a part of the recording, or nothing. Raises DataError for a part of a folder."""
    if "#" not in given or Path(given).expanduser().exists():
        return given, ""
    path = split_reference(given).path
    part = given[len(path) :].removesuffix("#")
    if part and Path(path).expanduser().is_dir():
        why = f"'{path}' is a folder, and '{part}' names a part of one recording"
        raise DataError(f"'{given}' is no recording", where="data.source", why=why, fix="name a recording in it, or the folder alone")
    return path, part

"""The words of a command that reads a run: what it is given beside the run, data or settings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from trainwright.cli.settings import is_setting
from trainwright.config.errors import RequestError


def divide_given(words: Sequence[str]) -> tuple[str | None, list[str]]:
    """The data, where the first word names some, and the settings after it; raises RequestError for a word that is neither."""
    data = words[0] if words and not is_setting(words[0]) else None
    settings = list(words[data is not None :])
    stray = next((each for each in settings if not is_setting(each)), None)
    if stray is not None:
        fix = "several files are one pattern in quotes ('part-*.csv'); settings are key=value"
        raise RequestError(f"one argument too many: '{stray}'", fix=fix)
    return data, settings


def divide_files(words: Sequence[str]) -> tuple[str | list[str] | None, list[str]]:
    """The same for a command that takes several files, as a pattern that the shell filled in names them: a list where there are some."""
    count = next((place for place, each in enumerate(words) if is_setting(each)), len(words))
    if count < 2:
        return divide_given(words)
    return list(words[:count]), divide_given(["", *words[count:]])[1]


def ensure_one(data: str | list[str] | None, split: str | None) -> None:
    """Raises RequestError where both rows and a split of the run's own are named."""
    if data is not None and split is not None:
        fix = f"leave one of them out: {data if isinstance(data, str) else ' '.join(data)}, or --split {split}"
        raise RequestError("rows and a split of the run's own are both named", where=f"command line: --split {split}", fix=fix)


def add_given(parser: Any, rows: str) -> None:
    """The arguments of a command that reads a run and rows."""
    parser.add_argument(
        "run", metavar="RUN|CONFIG", help="a run directory, a folder of runs (its latest), an exported model; a configuration"
    )
    parser.add_argument("given", nargs="*", metavar="DATA", help=f"{rows}; and settings: key=value")

"""What all members of a run have in common, compared before one takes part, so that a mistake ends only the one that made it."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from importlib import metadata

from trainwright._version import __version__
from trainwright.config.errors import ConfigError
from trainwright.parallel.launchers.base import Command

ALONE = ("launch.", "run.dir", "run.device")
"""Settings that may differ by member: how it starts its ranks, and where it sees what."""
TOGETHER = ("launch.min", "launch.max", "launch.restarts")
SHOWN = 60


def facts_of(command: Command) -> dict[str, str]:
    """Versions and settings of a member."""
    settings = {name: repr(value) for name, value in command.list_settings().items()}
    kept = {name: value for name, value in settings.items() if not name.startswith(ALONE) or name in TOGETHER}
    versions = {
        "version of Trainwright": __version__,
        "version of torch": _version("torch"),
        "version of Python": platform.python_version(),
    }
    return {**versions, **kept}


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "unknown"


def refuse_another(mine: Mapping[str, str], theirs: Mapping[str, str], who: str, run: str, *, lost: bool = False) -> None:
    """Raise ConfigError where the members of a run, of which `who` is one, were given something else than this one.

    `lost`: whether all of them were, so that none goes on.
    """
    names = [name for name in {**theirs, **mine} if theirs.get(name) != mine.get(name)]
    if not theirs or not names:
        return
    said = "; ".join(f"{name} is {_short(mine.get(name))} here, and {_short(theirs.get(name))} there" for name in names[:4])
    rest = f", and {len(names) - 4} more" if len(names) > 4 else ""
    versions = names[0].startswith("version")
    fix = "install the same on every machine" if versions else "give the command that they were given, or another run.dir for another run"
    fix += ", or add --resume to go on with what this one was given" if lost else ""
    did = "took part in this run with something else, and was lost" if lost else "takes part in this run with something else"
    what = f"{who} {did}{'' if lost else ': it goes on without this one'}"
    raise ConfigError(what, where=run, why=said + rest, fix=fix)


def _short(value: str | None) -> str:
    text = "missing" if value is None else value
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"

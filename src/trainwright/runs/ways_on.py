"""What can be done with a run that did not reach its end, for the messages that name a fix."""

from __future__ import annotations

import shlex
from pathlib import Path

from trainwright.config.errors import RequestError
from trainwright.config.reading import parse_yaml


def from_its_weights(folder: Path) -> str:
    """How another run begins from the weights of the run in `folder`; empty for one of a table, whose settings take none."""
    if (folder / "splits.parquet").is_file():
        return ""
    return f"`weights: {folder}` beside `model:`, or below `system:`; from Python tw.load_weights(model, {str(folder)!r})"


def to_its_end(folder: Path) -> str:
    """How the run in `folder` comes to its end: continued, or begun again where it keeps nothing that can be."""
    kind = _read_kept(folder / "config.yaml")
    if kind in ("weights", "none"):
        return f"begin it again in another place: it cannot be continued (trainer.checkpoint: {kind})"
    return f"continue it: trainwright resume {shlex.quote(str(folder))}"


def to_a_later_end(folder: Path, longer: str) -> str:
    """How the finished run in `folder` goes on to a later end, which the setting `longer` names; empty without one."""
    if not longer:
        return ""
    if _read_kept(folder / "config.yaml") in ("weights", "none"):
        return f"train again with {longer}"
    return f"trainwright resume {shlex.quote(str(folder))} --fork {longer}"


def _read_kept(config: Path) -> str:
    """The kind of checkpoints that a saved configuration asks for; empty where it says nothing or cannot be read."""
    try:
        found = parse_yaml(config.read_text("utf-8"), str(config)).plain()["trainer"]["checkpoint"]["type"]
    except (OSError, ValueError, LookupError, TypeError, RequestError):
        return ""
    return str(found)

"""analysis.json: what a report says of a run beside its common files, as blocks made by what knows its data."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import torch

from trainwright.config.errors import FOREIGN, ConfigError
from trainwright.config.own_code import describe_failure
from trainwright.files.text import plain
from trainwright.report.blocks import check
from trainwright.runs.directory import RunDirectory

log = logging.getLogger(__name__)

FORMAT = 2
SECTION = "Use it, repeat it"
AGAIN = "The configuration holds every default, so running it again on the same data, code and machine repeats the run."


def write_analysis(run: RunDirectory, content: dict[str, Any], system: Any = None, more: Sequence[dict[str, Any]] = ()) -> None:
    """Write analysis.json: its content, with `more` blocks and those that the system itself makes before those on data and use."""
    try:
        blocks = check(content["blocks"], "analysis.json")
    except ConfigError as error:  # the page says which one; a run is not lost for its report
        log.warning("%s", error)
        blocks = plain(content["blocks"])
    own = [*more, *([] if system is None else blocks_of(system))]
    first = next((index for index, each in enumerate(blocks) if each.get("section") in ("Data", SECTION)), len(blocks))
    run.write_json("analysis.json", content | {"blocks": [*blocks[:first], *own, *blocks[first:]]})


def blocks_of(system: Any) -> list[dict[str, Any]]:
    """What `report_blocks` of a system gives; where it fails, a block that says so: a run is not lost for its report."""
    where = f"{system.shown_name}.report_blocks"
    try:
        with torch.no_grad():
            given = system.report_blocks()
        if not isinstance(given, list | tuple):
            raise ConfigError(f"it gives a {type(given).__name__}", where=where, fix="give a list of blocks")
        return check(given, where)
    except ConfigError as error:
        log.warning("%s", error)
        why = f"{error.what}: {error.why}" if error.why else error.what
    except FOREIGN as error:
        log.warning("%s failed: %s: %s", where, type(error).__name__, error)
        log.debug("where it arose", exc_info=error)
        why = describe_failure(error)
    return [{"type": "text", "text": [{"text": where, "style": "code"}, {"text": f" gave nothing that can be drawn: {why}", "limit": 400}]}]


def show_repeat(command: str) -> list[dict[str, Any]]:
    """How to repeat the run; `{run}` stands for its directory."""
    said = [show_code("Repeat this run", command, "plain")] if command else []
    again = show_code("" if command else "Repeat this run", "trainwright train {run}/config.yaml")
    return [*said, again | {"note": AGAIN}]


def show_code(title: str, text: str, language: str = "shell") -> dict[str, Any]:
    """A command, or lines of Python, that use the run."""
    return {"type": "text", "section": SECTION, "title": title, "text": text, "code": language}

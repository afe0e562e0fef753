"""When the ranks of a run began, with how many, and why again: restarts, and members that came and went."""

from __future__ import annotations

import json
from typing import Any

from trainwright.config.errors import RunError
from trainwright.config.received import read_text
from trainwright.report.blocks.base import Cell
from trainwright.report.blocks.table import Column, Table
from trainwright.report.every_run.layout import ReportSection
from trainwright.report.figures import is_number
from trainwright.report.material import Material

EVENTS = "events.jsonl"


def starts(material: Material) -> ReportSection | None:
    """A row for each start; None for a run that began once."""
    found = [each for each in _events(material) if each.get("event") == "start"]
    if len(found) < 2:
        return None
    counts = [Column(name=name, format="number") for name in ("step", "ranks")]
    columns: list[str | Column] = ["time (UTC)", *counts, Column(name="why", limit=200)]
    table = Table(columns=columns, rows=[_row(each, number) for number, each in enumerate(found)])
    restarts = sum(each.get("event") == "restart" for each in _events(material))
    changes = sum(each.get("event") == "membership" for each in _events(material))
    said = [f"The ranks of this run began {len(found)} times"]
    said += [f"{restarts} of them after a failure"] if restarts else []
    said += [f"{changes} with other ranks or members than before"] if changes else []
    lede = ", ".join(said)
    return ReportSection("starts", "Starts", f"{lede}. Batch and learning rate are those of the configuration throughout.", [table])


def _row(event: dict[str, Any], number: int) -> list[Cell]:
    step, ranks = (event.get(name) if is_number(event.get(name)) else None for name in ("step", "ranks"))
    why = str(event.get("because") or ("continued" if number else "begun"))
    return [str(event.get("time") or "")[:19].replace("T", " "), step, ranks, why]


def _events(material: Material) -> list[dict[str, Any]]:
    try:
        lines = read_text(material.path / EVENTS, errors="replace").splitlines()
    except (OSError, RunError):
        return []
    found = []
    for line in lines:
        try:
            found.append(json.loads(line))
        except ValueError:
            continue
    return [each for each in found if isinstance(each, dict)]

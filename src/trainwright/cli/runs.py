"""`trainwright runs`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from trainwright.cli.parser import Parser
from trainwright.cli.style import table
from trainwright.config.errors import RunError


def run(words: Sequence[str]) -> int:
    """List the runs under a folder, newest first."""
    arguments = parser().parse(words)
    if arguments.dir != "runs" and not Path(arguments.dir).is_dir():
        raise RunError("no such folder", where=arguments.dir, fix="name a folder that holds runs; default: runs")
    from trainwright.runs.listing import list_runs

    found = list_runs(arguments.dir)
    if arguments.json:
        print(json.dumps(found, indent=2, ensure_ascii=False))
    elif found:
        print(table(("started", "status", "target", "metric", "value", "run"), [row(each) for each in found], right=(4,)))
    else:
        print(f"no runs in {arguments.dir}; `trainwright train DATA --target COLUMN` makes one")
    return 0


def row(found: dict[str, Any]) -> tuple[str, ...]:
    """One run as cells of the table."""
    metric = f"{found['split']} {found['metric']}".strip()
    value = "" if found["value"] is None else f"{found['value']:.4f}"
    return found["started"][:19].replace("T", " "), found["status"], found["target"], metric, value, found["path"]


def parser() -> Parser:
    """The arguments of the command."""
    made = Parser(
        "runs",
        "List the runs under a folder, newest first, with their status and main number.",
        "[DIR] [--json]",
        ["trainwright runs", "trainwright runs experiments --json"],
    )
    made.add_argument("dir", metavar="DIR", nargs="?", default="runs", help="the folder that holds runs (default: runs)")
    made.add_argument("--json", action="store_true", help="print JSON")
    return made

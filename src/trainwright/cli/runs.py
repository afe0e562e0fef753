"""`trainwright runs`."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from trainwright.cli.parser import Parser
from trainwright.cli.style import table
from trainwright.config.errors import ConfigError, RunError


def run(words: Sequence[str]) -> int:
    """List the runs under a folder, newest first."""
    arguments = parser().parse(words)
    if arguments.dir != "runs" and not Path(arguments.dir).is_dir():
        raise RunError("no such folder", where=arguments.dir, fix="name a folder that holds runs; default: runs")
    from trainwright.runs.listing import list_runs

    found = list_runs(arguments.dir)
    if arguments.slurm:
        return show_jobs(found, arguments.json)
    if arguments.json:
        print(json.dumps(found, indent=2, ensure_ascii=False))
    elif found:
        print(table(("started", "status", "target", "metric", "value", "run"), rows(found, arguments.dir), right=(4,)))
    else:
        print(f"no runs in {arguments.dir}; `trainwright train DATA --target COLUMN` makes one")
    return 0


def show_jobs(runs: list[dict[str, Any]], as_json: bool) -> int:
    """List runs with their jobs and what Slurm says of them; 1 where it says nothing."""
    from trainwright.parallel.slurm.records import job_of, read_jobs

    ids = {each["path"]: job_of(Path(each["path"])) for each in runs}
    jobs, refused = {}, ""
    try:
        jobs = read_jobs(filter(None, ids.values()))
    except ConfigError as error:
        refused = f"{error.what}: {error.why}"
    for each in runs:
        number = ids[each["path"]]
        job = jobs.get(number)
        unknown = {"state": "unknown", "reason": "Slurm was not asked" if refused else "Slurm has forgotten it"}
        each["slurm"] = ({"job": number} | (vars(job) if job else unknown)) if number else None
    if as_json:
        print(json.dumps(runs, indent=2, ensure_ascii=False))
    else:
        names = ("job", "state", "reason", "left", "nodes")
        cells = [(*row(each)[:2], *((each["slurm"] or {}).get(name, "") for name in names), each["path"]) for each in runs]
        print(table(("started", "status", *names, "run"), cells) if cells else "no runs here")
    if refused:
        print(refused, file=sys.stderr)
    return 1 if refused else 0


def rows(found: list[dict[str, Any]], root: str) -> list[tuple[str, ...]]:
    """A row for each run, and one for each group in the place of its newest member; in the folder of a group its members."""
    cells, shown = [], set()
    for each in found:
        folder = each["group"]
        if not folder or Path(folder).resolve() == Path(root).resolve():
            cells.append(row(each))
        elif folder not in shown:
            shown.add(folder)
            cells.append(group_row(folder, each))
    return cells


def group_row(folder: str, newest: dict[str, Any]) -> tuple[str, ...]:
    """A group as cells of the table: how many of its runs are finished, and the mean of their main number, of the best point of a grid."""
    from trainwright.api.group_summary import Summary
    from trainwright.runs.group import GroupDirectory

    started = newest["started"][:19].replace("T", " ")
    try:
        summary = Summary.of(GroupDirectory.open(Path(folder)))
    except RunError:
        return started, "unreadable", newest["target"], "", "", folder
    point = summary.best or (None if summary.group.grid else summary.points[0])
    metric = next((each for each in reversed(summary.metrics)), "")
    spread = point.spread(metric) if point is not None and metric else None
    status = f"{len(summary.numbers)} of {len(summary.group.members)} finished"
    split, _, name = metric.partition(".")
    named = f"{split} {name.rpartition('.')[2]}" if spread else ""
    return started, status, newest["target"], named, str(spread) if spread else "", f"{folder} (a group)"


def row(found: dict[str, Any]) -> tuple[str, ...]:
    """One run as cells of the table."""
    metric = f"{found['split']} {found['metric']}".strip()
    value = "" if found["value"] is None else f"{found['value']:.4f}"
    return found["started"][:19].replace("T", " "), found["status"], found["target"], metric, value, found["path"]


def parser() -> Parser:
    """The arguments of the command."""
    made = Parser(
        "runs",
        "List the runs under a folder, newest first, with their status and main number; a group of runs is one line, and its folder "
        "lists its members.",
        "[DIR] [--slurm] [--json]",
        ["trainwright runs", "trainwright runs runs/folds", "trainwright runs --slurm", "trainwright runs experiments --json"],
    )
    made.add_argument("dir", metavar="DIR", nargs="?", default="runs", help="the folder that holds runs (default: runs)")
    made.add_argument("--slurm", action="store_true", help="show what Slurm says of the jobs of the runs")
    made.add_argument("--json", action="store_true", help="print JSON")
    return made

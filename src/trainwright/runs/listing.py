"""The runs under a folder, with their status and headline number."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from trainwright.config.errors import RunError
from trainwright.config.signature import GROUP
from trainwright.files.text import read_json
from trainwright.runs.directory import RunDirectory
from trainwright.runs.info import read_info


def list_runs(root: str | Path = "runs") -> list[dict[str, Any]]:
    """Every run in `root` and up to three folders below, newest first: name, started, status, target, metric, value, split, path.

    `status` is that of run.json, except that a run said to be running with no process behind it is `interrupted`, and a damaged
    or newer one `unreadable`. `group`: the folder of the group that a run is a member of; empty for others.
    """
    if not str(root).strip():
        raise RunError("the name of the folder is empty", where="the folder of runs", fix="name a folder that holds runs; default: runs")
    root = Path(root)
    found = [each.parent for depth in ("", "*/", "*/*/", "*/*/*/") for each in root.glob(f"{depth}run.json")]
    runs = (summarize_run(path) for path in found if not path.name.startswith(".") or path == root)
    return sorted(runs, key=lambda run: (run["started"], run["path"]), reverse=True)


def headline(results: dict[str, Any]) -> tuple[str, str, float | None, str]:
    """Target, metric, value and split of the number that sums a run up; empty texts and None when there is none."""
    for target, verdict in (results.get("verdict") or {}).items():
        if isinstance(verdict, dict) and verdict.get("metric"):
            return target, verdict["metric"], verdict.get("network"), "test"
    for split in ("test", "validation", "train"):
        for target, metrics in ((results.get("metrics") or {}).get(split) or {}).items():
            for metric, value in metrics.items() if isinstance(metrics, dict) else ():
                return target, metric, value, split
    return "", "", None, ""


def summarize_run(folder: Path) -> dict[str, Any]:
    """What is known of the run in a folder without reading more than two of its files."""
    summary: dict[str, Any] = {"name": folder.parent.name, "started": "", "status": "unreadable", "target": "", "metric": "", "value": None}
    summary |= {"split": "", "path": str(folder), "group": str(folder.parent) if (folder.parent / GROUP).is_file() else ""}
    try:
        run = RunDirectory(folder, read_info(folder) or {})  # its files are looked at when it is opened; here one file of each run is read
        results = read_json(folder / "results.json") or {}
    except RunError as error:
        return {**summary, "why": error.why or error.what}
    status: str = run.status
    if status in ("created", "running") and not run.alive:
        status = "interrupted"
    given = run.info.get("headline")
    if given is not None:
        target, metric, value, split = (given.get(key) for key in ("target", "metric", "value", "split"))
    else:
        target, metric, value, split = headline(results if isinstance(results, dict) else {})
    target = ", ".join(run.info.get("targets") or ([target] if target else []))
    headlined = {"target": target, "metric": metric, "value": value, "split": split}
    return {**summary, **headlined, "name": run.name, "started": str(run.info.get("created", "")), "status": status}

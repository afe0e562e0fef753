"""A pruned run in the terminal: its layers, and its metrics beside those of its parent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trainwright.api.run import Run
from trainwright.cli.style import table
from trainwright.files.text import read_json
from trainwright.nn.pruning.sparsity import FILE
from trainwright.runs.directory import RunDirectory
from trainwright.runs.results import flatten_metrics, read_results

MOST = 30
"""Layers that are shown."""


def describe_pruned(made: Run) -> str:
    """The sparsity of each layer and in all, and what the model is worth beside its parent's."""
    found = read_json(made.path / FILE)
    cells = [
        [*_name_weight(each), f"{each['weights']:,}", f"{each['pruned']:,}", share(each["pruned"], each["weights"])]
        for each in found["layers"]
    ]
    more = [f"{len(cells) - MOST} more layers are in {FILE}"] if len(cells) > MOST else []
    total = ["total", "", f"{found['weights']:,}", f"{found['pruned']:,}", share(found["pruned"], found["weights"])]
    lines = table(["weight", "shape", "weights", "pruned", "sparsity"], [*cells[:MOST], total], right=(1, 2, 3, 4))
    return "\n".join(["", lines, *more, *left_out(found["left_out"]), *beside_parent(made)])


def describe_shrunk(made: Run) -> str:
    """How many parameters are left, and what the model is worth beside its parent's."""
    before, after = ((each.get("realised") or {}).get("parameters") for each in (_parent_results(made), made.results))
    said = [f"{before:,} parameters became {after:,}"] if before and after else []
    return "\n".join(["", *said, *beside_parent(made)])


def _parent_results(made: Run) -> dict[str, Any]:
    parent = read_json(made.path / "run.json").get("parent")
    return (read_results(RunDirectory.open(parent).path) if parent else None) or {}


def _name_weight(layer: Mapping[str, Any]) -> tuple[str, str]:
    """A weight with its shape."""
    return layer["name"], "×".join(map(str, layer["shape"]))


def share(pruned: int, weights: int) -> str:
    """The pruned share in percent."""
    return f"{100 * pruned / weights:.4g} %"


def left_out(found: dict[str, str]) -> list[str]:
    """What was not pruned, by reason."""
    by_reason: dict[str, list[str]] = {}
    for name, why in found.items():
        by_reason.setdefault(why, []).append(name)
    return [f"not pruned, {why}: {', '.join(names[:4])}{', …' if len(names) > 4 else ''}" for why, names in by_reason.items()]


def beside_parent(made: Run) -> list[str]:
    """Metrics of parent and child on the test rows, or the validation rows."""
    mine, theirs = (each.get("metrics") or {} for each in (made.results, _parent_results(made)))
    split = next((name for name in ("test", "validation") if mine.get(name) and theirs.get(name)), None)
    if split is None:
        return []
    known = dict(flatten_metrics(theirs[split]))
    rows = [[name, f"{known[name]:.4f}", f"{value:.4f}"] for name, value in flatten_metrics(mine[split]) if known.get(name) is not None]
    return ["", table([f"{split} rows", "before", "pruned"], rows, right=(1, 2))] if rows else []

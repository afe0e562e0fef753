"""The resolved parameter groups as rows for results.json and as a table for people."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from torch import nn

from trainwright.config.durations import Duration
from trainwright.config.name_patterns import with_ancestors
from trainwright.optim.parameter_groups import ParameterGroup
from trainwright.optim.parts import whole_size

FROZEN = "frozen"
COLUMNS = ("group", "tensors", "values", "learning rate", "weight decay", "trained", "parameters")


def describe_groups(groups: Sequence[ParameterGroup], system: nn.Module, learning_rate: float, weight_decay: float) -> list[dict[str, Any]]:
    """One JSON-able row per group, and a last one of what is never trained; rates are the base ones, before any schedule."""
    rows = [
        {
            "group": group.label,
            "tensors": len(group.params),
            "values": sum(whole_size(param) for param in group.params),
            "learning_rate": learning_rate * group.scale,
            "weight_decay": weight_decay if group.weight_decay is None else group.weight_decay,
            "schedule": None if group.schedule is None else group.schedule.type,
            "frozen_until": _write(group.frozen_until),
            "frozen_from": _write(group.frozen_from),
            "parameters": group.names,
        }
        for group in groups
    ]
    trained = {id(param) for group in groups for param in group.params}
    still = {name: param for name, param in system.named_parameters() if id(param) not in trained}
    if still:
        values = sum(whole_size(param) for param in still.values())
        rows.append({"group": FROZEN, "tensors": len(still), "values": values, "parameters": list(still)})
    return rows


def describe(rows: Iterable[dict[str, Any]]) -> str:
    """The rows of `resolved` as an aligned table."""
    cells = [COLUMNS, *(_cells(row) for row in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(COLUMNS))]
    right = ("tensors", "values", "learning rate", "weight decay")
    lines = (
        "  ".join(
            cell.rjust(width) if title in right else cell.ljust(width) for cell, width, title in zip(line, widths, COLUMNS, strict=True)
        )
        for line in cells
    )
    return "\n".join(line.rstrip() for line in lines)


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    count = (row["group"], f"{row['tensors']:,}", f"{row['values']:,}")
    if row["group"] == FROZEN:
        return (*count, "", "", "never", where_they_are(row["parameters"]))
    rate = f"{row['learning_rate']:.4g}" + (f" ({row['schedule']})" if row["schedule"] else "")
    return (*count, rate, f"{row['weight_decay']:.4g}", _when(row), where_they_are(row["parameters"]))


def _when(row: dict[str, Any]) -> str:
    since, until = row["frozen_until"], row["frozen_from"]
    words = [f"from {since}" if since else "", f"until {until}" if until else ""]
    return " ".join(filter(None, words)) or "always"


def where_they_are(names: Sequence[str], most: int = 3) -> str:
    """Names in short: one alone, the module that all are in, or the first few."""
    if len(names) == 1:
        return names[0]
    together = [path for path in with_ancestors(names[0])[:-1] if all(name.startswith(f"{path}.") for name in names)]
    if together:
        return f"{together[-1]}.*"
    return ", ".join(names[:most]) + (f", … ({len(names) - most} more)" if len(names) > most else "")


def _write(duration: Duration | None) -> str | None:
    return None if duration is None else str(duration)

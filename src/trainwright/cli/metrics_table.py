"""What a measurement found, as a table for a person."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from trainwright.cli.style import table
from trainwright.runs.results import flatten_metrics
from trainwright.runs.results_in_words import say_absent, say_groups

SHOWN = 12
"""Columns whose importance is shown."""


def describe_metrics(result: Mapping[str, Any]) -> str:
    """The metrics as a table, with intervals where there are some, whatever else was told as lines above it, and importance below."""
    plain = [f"{key}: {value}" for key, value in result.items() if isinstance(value, str | int)]
    drawn = {name: each for name, each in result.get("resampling", {}).items() if each.get("by")}
    notes = [say_groups(each) for each in drawn.values()][:1]  # all targets have the same groups
    notes += [f"note: {said}" for name, each in result.get("classes", {}).items() for said in say_absent(name, "of these", each)]
    bounds = result.get("intervals", {})
    rows = []
    for name, value in flatten_metrics(result["metrics"]):
        target, _, metric = name.rpartition(".")
        low, high = bounds.get(target, {}).get(metric, (None, None))
        between = [] if not bounds else ["" if low is None else f"{low:.4g} … {high:.4g}"]
        rows.append((target, metric, _shown(value), *between))
    names = ("target", "metric", "value", *([f"{100 * _level(result):g}% interval"] if bounds else []))
    rows += [(f"{target}, {probe}", metric, _shown(value), *([""] if bounds else [])) for probe, target, metric, value in _probes(result)]
    blocks = [*plain, *([""] if plain else []), table(names, rows, right=(2,)), *([""] if notes else []), *notes]
    return "\n".join([*blocks, *_importance(result.get("importance", {}))])


def _shown(value: float) -> str:
    return "undefined" if math.isnan(value) else f"{value:.6g}"


def _probes(result: Mapping[str, Any]) -> Iterator[tuple[str, str, str, float]]:
    """What simple models of the encoder's output reach."""
    for probe, targets in result.get("probes", {}).items():
        for target, metrics in targets.items():
            for metric, value in metrics.items():
                if isinstance(value, int | float):
                    yield probe, target, metric, float(value)


def _level(result: Mapping[str, Any]) -> float:
    """The share of draws that intervals hold."""
    return next((each["level"] for each in result.get("resampling", {}).values()), 0.95)


def _importance(found: Mapping[str, Any]) -> list[str]:
    lines = []
    for target, columns in found.items():
        rows = [(each["column"], f"{each['drop_mean']:.4g}", f"{each['drop_std']:.2g}") for each in columns[:SHOWN]]
        lines += ["", f"importance for {target}: how much worse it becomes when a column is shuffled"]
        lines.append(table(("column", "worse by", "deviation"), rows, right=(1, 2)))
    return lines

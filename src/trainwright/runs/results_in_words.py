"""What results.json says of classes that a split lacks and of how intervals were drawn, as sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

NAMED = 8


def say_absent(target: str, split: str, found: Mapping[str, Any]) -> list[str]:
    """Sentences on the classes that a split has no row of (or that every row has), and over how many the means are then."""
    said = []
    for key, lack in (("absent", f"in no {split} row"), ("everywhere", f"in every {split} row")):
        names: Sequence[str] = found.get(key) or []
        if names:
            shown = ", ".join(names[:NAMED]) + (f", … {len(names)} in all" if len(names) > NAMED else "")
            said.append(f"{len(names)} of {found['classes']} classes of '{target}' {'is' if len(names) == 1 else 'are'} {lack}: {shown}")
    fewer: dict[int, list[str]] = {}
    for metric, over in (found.get("over") or {}).items():
        if over < found["classes"]:
            fewer.setdefault(over, []).append(metric)
    for over, metrics in fewer.items():
        mean = "is a mean" if len(metrics) == 1 else "are means"
        why = f"the others are undefined in the {split} rows"
        said.append(f"{', '.join(metrics)} of '{target}' {mean} over {over} of {found['classes']} classes: {why}")
    return said


def say_groups(drawn: Mapping[str, Any]) -> str:
    """One sentence on intervals that were drawn by the values of a column."""
    how = f"{drawn['resamples']:,} draws of {drawn['groups']:,} values of '{drawn['by']}', each with all its rows"
    if drawn.get("jackknife"):
        how = f"leaving out {drawn['jackknife']} parts of {drawn['groups']:,} values of '{drawn['by']}' in turn, for metrics of order"
    lacking = drawn.get("absent") or {}
    rare = sorted(lacking, key=lambda name: -lacking[name])
    shown = ", ".join(f"{name} in {lacking[name]:,}" for name in rare[:NAMED]) + (", …" if len(rare) > NAMED else "")
    return f"Intervals: {how}" + (f"; undefined, and left out of the draw's means: {shown} draws." if rare else ".")

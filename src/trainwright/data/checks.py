"""What is wrong with the data before training: targets that cannot be used, rows in two splits, columns that give the target away."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

import numpy as np

from trainwright.config.errors import DataError
from trainwright.data.hashing import without_columns
from trainwright.data.inference import check_target
from trainwright.data.leaks import Leak, leaks
from trainwright.data.profile import ColumnProfile
from trainwright.data.source import Source
from trainwright.data.splits.base import Split, missing_rows

SHOWN = 10


@dataclass
class Duplicates:
    """Rows that are equal in every column, or in every column but the targets, and stand in two splits."""

    counts: dict[str, int] = field(default_factory=dict)
    """`train/test` → rows of the second that are also in the first."""
    conflicts: dict[str, int] = field(default_factory=dict)
    """The same, for rows equal in all columns but the targets, in which they differ."""
    within: dict[str, int] = field(default_factory=dict)
    """Split → its rows that repeat an earlier row of the same split."""
    train_rows: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    """Source row numbers (int64) of training rows that are also in validation or test."""
    examples: dict[str, list[list[int]]] = field(default_factory=dict)
    """`train/test` → the first pairs of equal rows, as source row numbers."""

    def summary(self) -> dict[str, Any]:
        """The numbers and examples, for JSON; parts with no rows left out."""
        return {
            "equal": {pair: count for pair, count in self.counts.items() if count},
            "equal_inputs": {pair: count for pair, count in self.conflicts.items() if count},
            "within": {name: count for name, count in self.within.items() if count},
            "train_rows": len(self.train_rows),
            "examples": {pair: rows for pair, rows in self.examples.items() if rows},
        }

    @property
    def text(self) -> str:
        """One sentence, or an empty string when there are none."""
        found = [
            f"{count} rows of {pair.partition('/')[2]} are also in {pair.partition('/')[0]}" for pair, count in self.counts.items() if count
        ]
        return "; ".join(found)


def duplicates_across(source: Source, hashes: np.ndarray, split: Split, targets: Sequence[str]) -> Duplicates:
    """Rows that stand in two splits.

    Args:
        source: the rows.
        hashes: uint64 per source row, over all columns (`row_hashes`).
        split: the rows of each part.
        targets: the columns to be predicted; rows that differ in these alone are counted apart.
    """
    alike = without_columns(hashes, source, list(targets)) if targets else hashes
    repeated = _find_repeated(alike)
    # Rows that are like no other row are most of them; only the others are compared.
    parts = {name: rows[repeated[rows]] for name, rows in split.parts().items()}
    report = Duplicates()
    for name, rows in parts.items():
        report.within[name] = len(rows) - len(np.unique(hashes[rows]))
    for first, second in combinations(parts, 2):
        same = np.isin(hashes[parts[second]], hashes[parts[first]])
        report.counts[f"{first}/{second}"] = int(same.sum())
        report.conflicts[f"{first}/{second}"] = int((np.isin(alike[parts[second]], alike[parts[first]]) & ~same).sum())
        report.examples[f"{first}/{second}"] = _pairs(hashes, parts[first], parts[second][same])
    held_out = np.concatenate([hashes[parts["validation"]], hashes[parts["test"]]])
    report.train_rows = parts["train"][np.isin(hashes[parts["train"]], held_out)]
    return report


def seen_inputs(source: Source, hashes: np.ndarray, split: Split, others: Sequence[str]) -> dict[str, np.ndarray]:
    """Source row numbers (int64) of validation and test rows whose inputs are also those of a training row.

    `others` are the columns that are no inputs: targets, and what is left out; `hashes` as in `duplicates_across`.
    """
    inputs = without_columns(hashes, source, list(others)) if others else hashes
    known = np.unique(inputs[split.train])
    return {name: rows[np.isin(inputs[rows], known)] for name, rows in split.parts().items() if name != "train"}


def _find_repeated(hashes: np.ndarray) -> np.ndarray:
    """bool per row: whether another row has the same hash."""
    order = np.argsort(hashes, kind="stable")
    same = hashes[order[1:]] == hashes[order[:-1]]
    repeated = np.zeros(len(hashes), bool)
    repeated[order[1:][same]] = repeated[order[:-1][same]] = True
    return repeated


def _pairs(hashes: np.ndarray, first: np.ndarray, second: np.ndarray) -> list[list[int]]:
    order = np.argsort(hashes[first], kind="stable")
    places = np.searchsorted(hashes[first][order], hashes[second[:SHOWN]])
    return [[int(first[order[place]]), int(row)] for place, row in zip(places, second[:SHOWN], strict=True)]


def check_targets(source: Source, targets: Mapping[str, str], profiles: Iterable[ColumnProfile]) -> None:
    """Raises DataError for a target (name → type) that has no values, only one, or a type it cannot have."""
    known = {profile.name: profile for profile in profiles}
    for name, kind in targets.items():
        profile = known[name]
        check_target(profile)
        if kind == "binary" and profile.unique > 2:
            raise DataError(
                f"target '{name}' is not binary",
                where=source.name,
                why=f"it has {profile.unique} different values",
                fix=f"columns.{name}=category",
            )


def check_finite(source: Source, columns: Iterable[str], profiles: Iterable[ColumnProfile]) -> None:
    """Raises DataError when one of the columns has infinite values, saying in which rows."""
    wanted = set(columns)
    for profile in profiles:
        if profile.name in wanted and profile.infinite:
            raise infinite_values(source, profile)


def infinite_values(source: Source, profile: ColumnProfile) -> DataError:
    """The error for a column with infinite values: how many, and the first rows."""
    places = ", ".join(source.place(row) for row in profile.infinite_rows)
    return DataError(
        f"column '{profile.name}' has {profile.infinite} infinite values",
        where=source.name,
        why=f"{places}{', …' if profile.infinite > len(profile.infinite_rows) else ''}",
        fix=f"correct them, or count them as missing: columns.{profile.name}.infinity=missing",
    )


def missing_target_rows(source: Source, targets: Sequence[str]) -> np.ndarray:
    """Source row numbers (int64) in which a target is missing; these rows are in no split."""
    return np.flatnonzero(missing_rows(source, targets)) if targets else np.zeros(0, np.int64)


__all__ = [
    "Duplicates",
    "Leak",
    "check_finite",
    "check_targets",
    "duplicates_across",
    "infinite_values",
    "leaks",
    "missing_target_rows",
    "seen_inputs",
]

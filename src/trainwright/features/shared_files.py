"""Files that stand in rows of two splits: a model that saw a recording in training is not tested by it."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from trainwright.features.encoding import EncodedTable

SPLITS = {"train": "training", "validation": "validation", "test": "test"}


def describe_shared(table: EncodedTable) -> list[str]:
    """For each lazy column how many of its files are in rows of two splits, and what keeps them together; nothing where none is."""
    return [note for group, references in table.references.items() if (note := _shared(table, group, references.places))]


def _shared(table: EncodedTable, group: str, places: pa.Array) -> str:
    codes = pc.fill_null(places.dictionary_encode().indices, -1).to_numpy(zero_copy_only=False)
    parts = {name: np.unique(codes[getattr(table, name)]) for name in SPLITS}
    counts = {pair: _both(*(parts[name] for name in pair)) for pair in combinations(SPLITS, 2)}
    told = [f"{count:,} in {SPLITS[one]} and {SPLITS[other]}" for (one, other), count in counts.items() if count]
    if not told:
        return ""
    columns = {each.name: each.columns[0] for each in table.spec.inputs} | {f"target.{name}": name for name in table.encoder.targets}
    column = columns[group]
    fix = f"data.split={{type: grouped, column: {column}}} keeps the rows of a file together"
    return f"column '{column}': files that stand in rows of two splits: {', '.join(told)}; {fix}"


def _both(one: np.ndarray, other: np.ndarray) -> int:
    return int((np.intersect1d(one, other, assume_unique=True) >= 0).sum())

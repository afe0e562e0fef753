"""Rows with several labels each, divided so that every label is in every split in the same proportion."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from trainwright.data import wording
from trainwright.data.splits.base import counts_of

SAMPLE = 1000


def labels_of(values: pa.ChunkedArray) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of row (int64) and label code (int64): one for each label of each row; text is split at the delimiter it uses."""
    joined = pa.concat_arrays(values.chunks) if values.num_chunks else pa.nulls(0, values.type)
    if not pa.types.is_list(joined.type):
        texts = joined.cast(pa.string())
        delimiter = wording.label_delimiter(pc.drop_null(texts).slice(0, SAMPLE).to_pylist()) or " "
        joined = pc.split_pattern(texts, delimiter)
    rows = pc.list_parent_indices(joined).to_numpy(zero_copy_only=False).astype(np.int64)
    labels = joined.flatten()
    if pa.types.is_string(labels.type):
        labels = pc.utf8_trim_whitespace(labels)
    coded = labels.dictionary_encode()
    codes = pc.fill_null(coded.indices, len(coded.dictionary)).to_numpy(zero_copy_only=False).astype(np.int64)
    return rows, codes


def spread_labels(values: pa.ChunkedArray, shares: Sequence[float], generator: np.random.Generator) -> np.ndarray:
    """The part of each row, by iterative stratification (Sechidis, Tsoumakas and Vlahavas 2011): the rarest label is divided first."""
    rows, codes = labels_of(values)
    total = len(values)
    part = np.full(total, -1)
    sizes = np.bincount(codes)
    for label in np.argsort(sizes, kind="stable"):
        members = np.unique(rows[codes == label])
        given = np.bincount(part[members] + 1, minlength=len(shares) + 1)[1:]
        free = members[part[members] < 0]
        _deal(part, free, np.asarray(shares) * len(members) - given, generator)
    given = np.bincount(part + 1, minlength=len(shares) + 1)[1:]
    _deal(part, np.flatnonzero(part < 0), np.asarray(shares) * total - given, generator)
    return part


def _deal(part: np.ndarray, rows: np.ndarray, wanted: np.ndarray, generator: np.random.Generator) -> None:
    """Gives the rows to the parts in the proportion of what each still wants."""
    if not len(rows):
        return
    wanted = np.maximum(wanted, 0)
    counts = counts_of(len(rows), wanted.tolist() if wanted.sum() else [1.0] * len(wanted))
    part[generator.permutation(rows)] = np.repeat(np.arange(len(counts)), counts)

"""Rows with several labels each, divided so that every label is in every part in the same proportion."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from trainwright.data import wording
from trainwright.data.splits.base import RowsToDivide, Split, counts_of

SAMPLE = 1000
NAMED = 8


def labels_of(values: pa.ChunkedArray) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of row (int64) and label code (int64): one for each label of each row; text is split at the delimiter it uses."""
    return named_labels_of(values)[:2]


def named_labels_of(values: pa.ChunkedArray) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """As `labels_of`, and the name of each code."""
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
    pairs = np.unique(np.stack([rows, codes], 1), axis=0) if len(rows) else np.zeros((0, 2), np.int64)
    return pairs[:, 0], pairs[:, 1], [*map(str, coded.dictionary.to_pylist()), "missing"]


def stratify_labels(rows: np.ndarray, codes: np.ndarray, total: int, shares: Sequence[float], generator: np.random.Generator) -> np.ndarray:
    """The part of each of `total` rows, by iterative stratification (Sechidis, Tsoumakas and Vlahavas 2011, algorithm 1).

    `rows`, `codes`: pairs of row and label. The label with the fewest rows left is divided first: each of them goes to the part that lacks
    the most of that label, among equal ones to that which lacks the most rows, then by lot. Rows without a label come last.
    """
    weight = np.asarray(shares, np.float64) / sum(shares)
    part = np.full(total, -1)
    of_row, of_label = _lists(rows, codes, total), _lists(codes, rows, int(codes.max(initial=-1)) + 1)
    left = np.array([len(each) for each in of_label], np.int64)
    lacking = [[float(share * size) for share in weight] for size in left]  # label → of each part
    wanted = [float(share * total) for share in weight]
    lots, order = generator.random(total).tolist(), generator.permutation(total)
    place = np.empty(total, np.int64)
    place[order] = np.arange(total)
    while left.any():
        label = int(np.argmin(np.where(left > 0, left, total + 1)))
        members = of_label[label]
        for row in members[np.argsort(place[members])].tolist():
            if part[row] >= 0:
                continue
            chosen = _neediest(lacking[label], wanted, lots[row])
            part[row] = chosen
            wanted[chosen] -= 1
            for each in of_row[row].tolist():
                lacking[each][chosen] -= 1
                left[each] -= 1
    free = np.flatnonzero(part < 0)
    if len(free):
        rest = np.maximum(wanted, 0)
        counts = counts_of(len(free), rest.tolist() if rest.sum() else weight.tolist())
        part[generator.permutation(free)] = np.repeat(np.arange(len(counts)), counts)
    return part


def _neediest(lacking: list[float], wanted: list[float], lot: float) -> int:
    """The part that lacks the most of a label, then the most rows, then by lot (0 to 1)."""
    most = max(lacking) - 1e-9
    found = [each for each, lack in enumerate(lacking) if lack >= most]
    if len(found) > 1:
        rows = max(wanted[each] for each in found) - 1e-9
        found = [each for each in found if wanted[each] >= rows]
    return found[int(lot * len(found))]


def _lists(keys: np.ndarray, values: np.ndarray, count: int) -> list[np.ndarray]:
    """The values of each key from 0 to `count`."""
    order = np.argsort(keys, kind="stable")
    return np.split(values[order], np.cumsum(np.bincount(keys, minlength=count))[:-1]) if count else []


def label_notes(split: Split, rows: RowsToDivide) -> list[str]:
    """How far the labels of sets are from being in every part alike, and which of them a part has no row of."""
    notes = []
    for target in [each for each in rows.targets if rows.kinds.get(each) == "set"]:
        at, codes, names = named_labels_of(rows.column(target))
        if not len(codes):
            continue
        place = np.full(len(rows.source), -1)
        place[rows.numbers] = np.arange(len(rows.numbers))
        held = np.bincount(codes, minlength=len(names))
        there = np.flatnonzero(held)
        told, absent = [], []
        for name, part in split.parts().items():
            if not len(part):
                continue
            inside = np.zeros(len(rows.numbers), bool)
            inside[place[part]] = True
            counts = np.bincount(codes[inside[at]], minlength=len(names))[there]
            told.append(f"{name} {np.abs(counts / len(part) - held[there] / len(rows.numbers)).mean():.2%}")
            if missing := [names[each] for each in there[counts == 0]]:
                more = f", … {len(missing)} in all" if len(missing) > NAMED else ""
                absent.append(
                    f"{len(missing)} of {len(there)} labels of '{target}' are in no {name} row: {', '.join(missing[:NAMED])}{more}"
                )
        notes += [f"labels of '{target}': their shares differ from those of all rows by {', '.join(told)} on average", *absent]
    return notes

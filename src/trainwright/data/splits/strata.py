"""Strata: codes of what rows hold, and how rows of each stratum are dealt to parts and to folds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from trainwright.data.splits.base import RowsToDivide, counts_of

FEWEST = 3
"""Rows a class needs to be in all three splits."""


def joint_strata(rows: RowsToDivide, columns: Sequence[str]) -> tuple[np.ndarray, list[str]]:
    """Codes of the combinations of the columns' values, and notes; combinations of under three rows go by the first column alone."""
    singles = [rows.strata(column) for column in columns]
    if not singles:
        return np.zeros(len(rows.numbers), np.int64), []
    joint = singles[0]
    for single in singles[1:]:
        joint = np.unique(joint * (single.max() + 1) + single, return_inverse=True)[1]
    sizes = np.bincount(joint)
    rare = sizes[joint] < FEWEST
    joint = np.where(rare, singles[0] + len(sizes), joint) if len(singles) > 1 else joint
    return joint, small_classes(rows)


def small_classes(rows: RowsToDivide) -> list[str]:
    """A note for each target with classes of fewer than three rows."""
    notes = []
    for target in rows.class_targets():
        codes, names = rows.codes(target)
        sizes = np.bincount(codes)
        few = [f"{names[code]} ({sizes[code]})" for code in np.flatnonzero((sizes > 0) & (sizes < FEWEST))]
        if few:
            shown = ", ".join(few[:8]) + (f", … {len(few)} in all" if len(few) > 8 else "")
            notes.append(f"classes of '{target}' with too few rows to be in every split stay in training first: {shown}")
    return notes


def spread(strata: np.ndarray, shares: Sequence[float], generator: np.random.Generator) -> np.ndarray:
    """The part of each row, so that every stratum is divided as `shares` say.

    A stratum of one or two rows is for training; one of three or more is in every part with a share, as far as its rows go.
    """
    part = np.zeros(len(strata), np.int64)
    _, sizes = np.unique(strata, return_counts=True)
    members = np.split(np.argsort(strata, kind="stable"), np.cumsum(sizes)[:-1])
    owed = np.zeros(len(shares))
    for place in np.argsort(-sizes, kind="stable"):
        size = int(sizes[place])
        if size < FEWEST:
            continue
        ideal = np.maximum(size * np.asarray(shares) + owed, 0)
        counts: np.ndarray = np.array(counts_of(size, ideal.tolist()), dtype=np.int64)
        for needy in np.flatnonzero((np.asarray(shares) > 0) & (counts == 0)):
            counts[np.argmax(counts)] -= 1
            counts[needy] += 1
        owed += size * np.asarray(shares) - counts
        shuffled = generator.permutation(members[place])
        part[shuffled] = np.repeat(np.arange(len(shares)), counts)
    return part


def deal_folds(strata: np.ndarray, count: int, generator: np.random.Generator) -> np.ndarray:
    """The fold of each row: rows shuffled within their stratum, strata one after the other, dealt round."""
    shuffled = generator.permutation(len(strata))
    order = shuffled[np.argsort(strata[shuffled], kind="stable")]
    fold = np.empty(len(strata), np.int64)
    fold[order] = np.arange(len(strata)) % count
    return fold

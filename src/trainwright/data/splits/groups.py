"""Which group each row is of, and groups dealt to parts so that all are alike."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pyarrow as pa

from trainwright.config.errors import DataError
from trainwright.data.splits.base import RowsToDivide

SHOWN = 8
MOVES = 5
"""Passes over the groups, at most, in which they are moved."""


def groups_of(rows: RowsToDivide, column: str) -> tuple[np.ndarray, np.ndarray]:
    """int64 group of each row, numbered without gaps, and which rows have none and so are alone (bool, n)."""
    return groups_in(rows.column(column), rows.codes(column)[0])


def groups_in(values: pa.ChunkedArray, codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The same for values with their codes."""
    absent = values.is_null(nan_is_null=True).to_numpy()
    groups = np.where(absent, codes.max(initial=0) + 1 + np.cumsum(absent), codes)
    return np.unique(groups, return_inverse=True)[1], absent


def deal_groups(
    groups: np.ndarray, rows: np.ndarray, codes: np.ndarray, shares: Sequence[float], generator: np.random.Generator
) -> np.ndarray:
    """The part of each row, so that rows of one group are together, and each part has its share of rows and of every code.

    `groups`: int64 per row, numbered without gaps; `rows`, `codes`: pairs of row and class or label. Groups go one after another, those
    that hold the largest share of a code first, each to the part where the squares of what parts lack of the shares of codes and rows sum
    to the least afterwards (for equal parts the variance that scikit-learn's StratifiedGroupKFold looks at); then groups are moved while
    that helps. No part with a share stays empty.
    """
    weight = np.asarray(shares, np.float64) / sum(shares)
    size = int(groups.max(initial=-1)) + 1
    width = int(codes.max(initial=-1)) + 2  # the last stands for rows, so that sizes are held too
    keys = np.concatenate([groups[rows] * width + codes, groups * width + width - 1])
    found, counts = np.unique(keys, return_counts=True)
    of_group, of_code = found // width, found % width
    total = np.bincount(of_code, counts, minlength=width)
    held = counts / total[of_code]
    begins = np.searchsorted(of_group, np.arange(size + 1))
    most = np.maximum.reduceat(held, begins[:-1])
    order = generator.permutation(size)
    order = order[np.argsort(-most[order], kind="stable")]
    lacking = np.repeat(weight[:, None], width, 1)  # of each part: what it lacks of each code, as a share of all
    part, filled = np.zeros(size, np.int64), np.zeros(len(weight), bool)
    for position, group in enumerate(order):
        its = slice(begins[group], begins[group + 1])
        empty = np.flatnonzero(~filled & (weight > 0))
        choices = empty if len(empty) and size - position <= len(empty) else np.flatnonzero(weight > 0)
        need = lacking[np.ix_(choices, of_code[its])] @ held[its]
        part[group] = choices[np.argmax(np.round(need, 12))]
        lacking[part[group], of_code[its]] -= held[its]
        filled[part[group]] = True
    _move_groups(part, order, [(of_code[a:b], held[a:b]) for a, b in pairwise(begins)], lacking, weight)
    return part[groups]


def _move_groups(
    part: np.ndarray, order: np.ndarray, holds: list[tuple[np.ndarray, np.ndarray]], lacking: np.ndarray, weight: np.ndarray
) -> None:
    """Move groups one by one to where that lessens the sum over parts of the squares of what they lack, over their share, in place.

    The greedy deal looks at each group once, when later ones are not yet known; small parts are the worse for it.
    """
    usable = np.flatnonzero(weight > 0)
    groups_in = np.bincount(part, minlength=len(weight))
    for _ in range(MOVES):
        moved = False
        for group in order:
            here, (codes, held) = part[group], holds[group]
            if groups_in[here] == 1:
                continue
            square = held @ held
            without = (2.0 * (lacking[here, codes] @ held) + square) / weight[here]
            gain = (square - 2.0 * (lacking[np.ix_(usable, codes)] @ held)) / weight[usable] + without
            gain[usable == here] = 0.0
            best = int(np.argmin(gain))
            if gain[best] >= -1e-12:
                continue
            there = usable[best]
            lacking[here, codes] += held
            lacking[there, codes] -= held
            groups_in[here] -= 1
            groups_in[there] += 1
            part[group], moved = there, True
        if not moved:
            return


def refuse_divided(rows: RowsToDivide, column: str, group_column: str, part: np.ndarray, groups: np.ndarray, parts: str, fix: str) -> None:
    """Raise DataError for groups whose rows a column puts into several parts: a model would be tested on what it has seen.

    `part`: of each row, below 0 for none; `parts`: what they are called.
    """
    pairs = np.unique(np.stack([groups, part], 1)[part >= 0], axis=0)
    divided = np.flatnonzero(np.bincount(pairs[:, 0]) > 1)
    if not len(divided):
        return
    codes, names = rows.codes(group_column)
    shown = ", ".join(names[codes[np.flatnonzero(groups == each)[0]]] for each in divided[:SHOWN])
    more = f", … {len(divided)} in all" if len(divided) > SHOWN else ""
    what = f"'{column}' puts rows of one '{group_column}' into several {parts}: {shown}{more}"
    raise DataError(what, where="data.split.groups", why="a model would be tested on groups that it has learned from", fix=fix)

"""Permutation importance (Breiman 2001) of any rows whose columns can be shuffled: which is shuffled how, and what it costs."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

Order = np.ndarray
"""Of the rows: where each takes its values from."""
Measured = Callable[[int | None, Order | None], Mapping[str, float]]
"""The metric of each target with one column (by number) in another order of rows; with none, of the rows as they are."""
Drops = dict[str, list[dict[str, float]]]
"""Column → by how much each target's metric worsened, at each repeat."""


def measure_drops(
    measured: Measured,
    names: Sequence[str],
    rows: int,
    higher_is_better: Mapping[str, bool],
    *,
    seed: int = 0,
    repeats: int = 5,
    seconds: float = math.inf,
) -> tuple[Drops, int]:
    """How much worse each target's metric became when each column was shuffled, and how many repeats were done.

    The order of rows follows from (seed, repeat, number of the column) alone. No further repeat is begun that would go beyond `seconds`;
    the first is cut short only at three times that.
    """
    plain = measured(None, None)
    drops: Drops = {}
    start, done = time.perf_counter(), 0
    for repeat in range(repeats):
        for number, name in enumerate(names):
            if repeat == 0 and time.perf_counter() - start > 3 * seconds:
                break
            order = np.random.default_rng([seed, repeat, number]).permutation(rows)
            shuffled = measured(number, order)
            drops.setdefault(name, []).append({each: _drop(plain[each], shuffled[each], higher_is_better[each]) for each in plain})
        done = repeat + 1
        if (time.perf_counter() - start) * (done + 1) / done > seconds:
            break
    return drops, done


class ShuffledArrays:
    """Arrays (rows, positions, …) of which one column's numbers, all by the same order, are put into other rows and back again."""

    def __init__(self, arrays: dict[str, np.ndarray], columns: Sequence[Sequence[tuple[str, int]]]) -> None:
        """`columns`: of each the arrays it lies in, those that there are, and its position in each."""
        self.arrays = arrays
        self.columns = [[(name, position) for name, position in places if name in arrays] for places in columns]

    @contextmanager
    def by(self, number: int | None, order: Order | None) -> Iterator[dict[str, np.ndarray]]:
        """The arrays with the column of this number in another order of rows; as they are without one."""
        places = [] if number is None else self.columns[number]
        before = [self.arrays[name][:, position].copy() for name, position in places]
        for (name, position), values in zip(places, before, strict=True):
            self.arrays[name][:, position] = values[order]
        try:
            yield self.arrays
        finally:
            for (name, position), values in zip(places, before, strict=True):
                self.arrays[name][:, position] = values


def _drop(before: float, after: float, higher_is_better: bool) -> float:
    """How much worse the metric became."""
    return before - after if higher_is_better else after - before


def rank_columns(drops: Drops, target: str) -> list[dict[str, Any]]:
    """The columns by the mean drop of a target's metric, the largest first, with the deviation over repeats."""
    found = []
    for column, each in drops.items():
        values = np.array([drop[target] for drop in each])
        found.append({"column": column, "drop_mean": float(values.mean()), "drop_std": float(values.std())})
    return sorted(found, key=lambda each: -math.inf if math.isnan(each["drop_mean"]) else each["drop_mean"], reverse=True)

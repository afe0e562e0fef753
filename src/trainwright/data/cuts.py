"""How well a number alone foretells classes when it is cut into as many ranges as there are classes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

MOST_CLASSES = 10
"""Of more classes no cuts are looked for."""
MOST_CELLS = 2_000_000
"""Rows × classes looked at, evenly spread over the rows."""


@dataclass(frozen=True)
class Cuts:
    """The share of rows that the best ranges get right, and what they say; `at` is the cut between two classes, from it upwards `above`."""

    right: float
    wrong: int
    at: float | None = None
    above: int | None = None


SCREENED = 10_000
"""Rows of the commonest class, and of the others, by which most columns are told not to be worth a look at all rows."""
HOPELESS = 0.2
"""Of the others, the share that the best ranges get wrong there, from which the column is not looked at further."""


class Classes:
    """The classes (int64 codes [n]) that columns may foretell, and rows to see quickly which do not."""

    def __init__(self, codes: np.ndarray) -> None:
        self.codes = codes
        self.counts = np.bincount(codes)
        self.others = len(codes) - int(self.counts.max(initial=0))
        common = codes == int(self.counts.argmax()) if len(codes) else np.zeros(0, bool)
        self.rows = np.concatenate([each[:: -(-len(each) // SCREENED) or 1] for each in (np.flatnonzero(common), np.flatnonzero(~common))])

    def cuts(self, numbers: np.ndarray) -> Cuts | None:
        """The best cuts of a column of numbers (float64 [n]); None where a look at some rows shows that they foretell little."""
        few = len(self.rows) < len(self.codes)
        screened = best_cuts(numbers[self.rows], self.codes[self.rows]) if few else None
        beside = int((self.codes[self.rows] != int(self.counts.argmax())).sum()) if few else 0
        if few and (screened is None or screened.wrong > HOPELESS * beside):
            return None
        return best_cuts(numbers, self.codes)


def best_cuts(numbers: np.ndarray, codes: np.ndarray) -> Cuts | None:
    """The best division of numbers (float64 [n], NaN where missing) into as many ranges as there are classes among `codes` (int64 [n]).

    Every range answers with one class; missing values answer with their own. None for one class, very many, or no numbers.
    """
    classes, codes = np.unique(codes, return_inverse=True)
    if not 2 <= len(classes) <= MOST_CLASSES:
        return None
    step = -(-len(numbers) * len(classes) // MOST_CELLS)
    numbers, codes = numbers[::step], codes[::step]
    absent = np.isnan(numbers)
    if absent.all():
        return None
    lost = np.bincount(codes[absent], minlength=len(classes)).max() if absent.any() else 0
    order = np.argsort(numbers[~absent], kind="stable")
    values, found = numbers[~absent][order], codes[~absent][order]
    ends = np.append(np.flatnonzero(values[1:] != values[:-1]) + 1, len(values))
    # rows of each class below each place where the value changes, [classes, places]
    below = np.stack([np.concatenate([[0], np.cumsum(found == each)])[np.concatenate([[0], ends])] for each in range(len(classes))])
    hits = int(_most_right(below)) + int(lost)
    at, above = _cut_of_two(below, values, ends) if len(classes) == 2 else (None, None)
    return Cuts(hits / len(numbers), len(numbers) - hits, at, None if above is None else int(classes[above]))


def _most_right(below: np.ndarray) -> float:
    """Rows that the best ranges get right: range by range, each ending anywhere with any class, what came before at its best."""
    best = np.zeros(below.shape[1])
    for _ in range(len(below)):
        best = (below + np.maximum.accumulate(best - below, axis=1)).max(axis=0)
    return float(best[-1])


def _cut_of_two(below: np.ndarray, values: np.ndarray, ends: np.ndarray) -> tuple[float | None, int | None]:
    """The value from which the rows are of another class than below, and which; none where one answer for all is as good."""
    right = np.stack([below[1] + below[0, -1] - below[0], below[0] + below[1, -1] - below[1]])
    above, place = np.unravel_index(int(right.argmax()), right.shape)
    inside = 0 < place < below.shape[1] - 1
    return (float(values[ends[place - 1]]), int(above)) if inside else (None, None)

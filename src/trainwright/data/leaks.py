"""Columns that give a target away: the target in other words, or one that predicts it almost without fail on its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from trainwright.data.cuts import Classes
from trainwright.data.source import Source
from trainwright.data.spelling import join_column

STRONG = 0.99
"""Share of rows foretold by one column alone from which it is reported."""

LEAST_GAIN = 0.9
"""Of the rows that guessing the commonest class gets wrong, the share that the column must get right."""

LOOKED_AT = 200_000
"""Rows looked at to find suspects; whether a suspect is exact is then checked on all rows of the source."""

FEWEST_OTHERS = 3
"""Rows beside the commonest class, for each cut, below which an order of the rows that separates them may be chance."""

BINS = 64
"""A number column is cut into this many parts of equally many rows."""

AFFINE = 1e-9
"""Two numbers are the same in other units when a straight line misses by less than this share of their range."""


@dataclass(frozen=True)
class Leak:
    """A column that gives a target away.

    `strength` is the share of rows foretold (classes) or of variance explained (numbers) by the column alone.
    `exact`: the column is the target in other words, on every row.
    """

    column: str
    target: str
    strength: float
    exact: bool
    why: str


def leaks(
    source: Source,
    inputs: Sequence[str],
    targets: Sequence[str],
    kinds: dict[str, str],
    rows: np.ndarray,
    joins: Mapping[str, Sequence[str]] | None = None,
) -> list[Leak]:
    """Columns among `inputs` that give a target away, the strongest first.

    Args:
        source: the rows.
        inputs, targets: names of columns.
        kinds: column name → feature type.
        rows: int64 source row numbers to judge by, usually those of training.
        joins: column name → which spellings of its values are one (see `spelling.key_of`).
    """
    looked = rows if len(rows) <= LOOKED_AT else np.sort(_sample(rows))
    usable = [name for name in inputs if name not in targets and not pa.types.is_nested(source.schema.field(name).type)]
    goals = [name for name in targets if kinds.get(name) in ("binary", "category", "number")]
    if not usable or not goals or not len(looked):
        return []
    joins = joins or {}
    table = _join_spellings(source.read(looked, [*usable, *goals]), joins)
    found: list[Leak] = []
    for target in goals:
        judge = _judge_of_numbers(target, table[target]) if kinds[target] == "number" else _judge_of_classes(target, table[target])
        for column in usable:
            values = table[column]
            leak = judge(column, values, kinds.get(column) == "number" and is_numeric(values))
            if leak is not None:
                found.append(leak)
    suspects = [leak for leak in found if leak.exact]
    if suspects and len(looked) < len(source):
        found = [leak for leak in found if not leak.exact] + _confirm(source, suspects, kinds, joins)
    return sorted(found, key=lambda leak: (-leak.exact, -leak.strength))


def _join_spellings(table: pa.Table, joins: Mapping[str, Sequence[str]]) -> pa.Table:
    """The table with all spellings of a value as one."""
    for name in joins:
        if name in table.column_names:
            table = table.set_column(table.column_names.index(name), name, join_column(table[name], joins[name]))
    return table


def is_numeric(values: pa.ChunkedArray) -> bool:
    """Whether values are numbers to Arrow."""
    return bool(pa.types.is_integer(values.type) or pa.types.is_floating(values.type))


def _sample(rows: np.ndarray) -> np.ndarray:
    return rows[np.linspace(0, len(rows) - 1, LOOKED_AT).astype(np.int64)]


def _codes(values: pa.ChunkedArray) -> tuple[np.ndarray, list]:
    """int64 code of each value (missing ones a code of their own), and the values."""
    coded = pa.chunked_array([values.combine_chunks()] if values.num_chunks != 1 else values.chunks).dictionary_encode().chunk(0)
    names = coded.dictionary.to_pylist()
    return pc.fill_null(coded.indices, len(names)).to_numpy(zero_copy_only=False).astype(np.int64), names


Judge = Callable[[str, pa.ChunkedArray, bool], Leak | None]
"""Whether a column of this name, with these values, which are numbers or not, gives the target away."""


def _judge_of_classes(target: str, truth: pa.ChunkedArray) -> Judge:
    """What judges columns by a target of classes, which is coded once however many columns there are."""
    goal = _codes(truth)
    truth = Classes(goal[0])
    return lambda column, values, number: _foretells_classes(column, target, values, goal, truth, number)


def _judge_of_numbers(target: str, truth: pa.ChunkedArray) -> Judge:
    if not is_numeric(truth):
        return lambda column, values, number: None  # numbers written as text are left to the feature
    goal = pc.fill_null(truth.cast(pa.float64(), safe=False), np.nan).to_numpy()
    return lambda column, values, number: _foretells_numbers(column, target, values, truth, goal, number)


def _foretells_classes(
    column: str, target: str, values: pa.ChunkedArray, goal: tuple[np.ndarray, list], truth: Classes, number: bool
) -> Leak | None:
    wanted, classes = goal
    present = int((truth.counts > 0).sum())
    given, names = _codes(values)
    count = int(given.max(initial=0)) + 1
    if present < 2 or (count > 0.5 * len(given) and not number):
        return None  # a different value in almost every row foretells nothing about other rows
    if count == present and _one_to_one(given, wanted):
        pairs = dict(zip(given.tolist(), wanted.tolist(), strict=True))
        shown = ", ".join(f"{_name(names, code)} = {_name(classes, goal)}" for code, goal in list(pairs.items())[:3])
        return Leak(column, target, 1.0, True, f"each of its values stands for one value of '{target}' ({shown})")
    cut = _cut(column, target, values, truth, classes) if number else None
    if cut is not None:
        return cut
    if number and count > BINS:
        given = _bin(values)
    strength, base = _accuracy(given, wanted)
    if strength < STRONG or strength < base + LEAST_GAIN * (1 - base):
        return None
    return Leak(column, target, strength, False, f"alone it foretells {strength:.1%} of the rows; the commonest class makes up {base:.1%}")


def _cut(column: str, target: str, values: pa.ChunkedArray, truth: Classes, classes: list) -> Leak | None:
    """A number that separates the classes by thresholds, however rare one of them is."""
    present = np.flatnonzero(truth.counts).tolist()
    if truth.others < FEWEST_OTHERS * (len(present) - 1):
        return None
    found = truth.cuts(pc.fill_null(values.cast(pa.float64(), safe=False), np.nan).to_numpy())
    if found is None or found.wrong > (1 - LEAST_GAIN) * truth.others or found.right < STRONG:
        return None
    base = f"the commonest class makes up {truth.counts.max() / len(truth.codes):.1%}"
    if found.at is None or found.above is None:
        return Leak(column, target, found.right, False, f"cut into ranges it alone foretells {found.right:.2%} of the rows; {base}")
    below = next(code for code in present if code != found.above)
    what = f"'{_name(classes, found.above)}' from {found.at:g} on and '{_name(classes, below)}' below"
    return Leak(column, target, found.right, False, f"{what} is right on {found.right:.2%} of the rows; {base}")


def _name(names: list, code: int) -> str:
    return str(names[code]) if code < len(names) else "missing"


def _one_to_one(given: np.ndarray, wanted: np.ndarray) -> bool:
    pairs = np.unique(given * (wanted.max() + 1) + wanted)
    return len(pairs) == len(np.unique(given)) == len(np.unique(wanted))


@np.errstate(over="ignore", invalid="ignore")
def _bin(values: pa.ChunkedArray) -> np.ndarray:
    """The part of equally many rows each number falls into; missing ones are a part of their own."""
    numbers = pc.fill_null(values.cast(pa.float64(), safe=False), np.nan).to_numpy()
    absent = np.isnan(numbers)
    edges = np.unique(np.quantile(numbers[~absent], np.linspace(0, 1, BINS + 1)[1:-1])) if not absent.all() else np.zeros(0)
    return np.where(absent, len(edges) + 1, np.searchsorted(edges, numbers, side="right"))


def _accuracy(given: np.ndarray, wanted: np.ndarray) -> tuple[float, float]:
    """The share of rows whose class is the commonest among other rows with the same value, and the share of the commonest class.

    Each half of the rows is judged by the other, so that a value seen once counts for nothing.
    """
    half = np.arange(len(given)) % 2 == 0
    width, height = int(wanted.max()) + 1, int(given.max()) + 1
    base = np.bincount(wanted).max() / len(wanted)
    right = 0
    for learned, judged in ((half, ~half), (~half, half)):
        values, inverse = np.unique(given[learned] * width + wanted[learned], return_counts=True)
        order = np.argsort(inverse, kind="stable")
        commonest = np.full(height, -1)
        commonest[values[order] // width] = values[order] % width  # the most frequent pair is written last
        right += int((commonest[given[judged]] == wanted[judged]).sum())
    return right / len(given), float(base)


def _foretells_numbers(
    column: str, target: str, values: pa.ChunkedArray, truth: pa.ChunkedArray, goal: np.ndarray, number: bool
) -> Leak | None:
    if number:
        return _numbers_by_numbers(column, target, pc.fill_null(values.cast(pa.float64(), safe=False), np.nan).to_numpy(), goal)
    given, _ = _codes(values)
    if given.max(initial=0) + 1 > 0.5 * len(given):
        return None
    strength = _measure_explained(given, goal)
    if strength >= STRONG and _one_to_one(given, _codes(truth)[0]):
        return Leak(column, target, 1.0, True, f"each of its values stands for one value of '{target}'")
    return None if strength < STRONG else Leak(column, target, strength, False, f"alone it explains {strength:.1%} of the variance")


def _numbers_by_numbers(column: str, target: str, given: np.ndarray, goal: np.ndarray) -> Leak | None:
    there = np.isfinite(given) & np.isfinite(goal)
    if there.sum() < 10 or given[there].min() == given[there].max() or goal[there].min() == goal[there].max():
        return None
    line = _line(given[there], goal[there])
    if line is not None:
        slope, offset = line
        whole = bool(there.all())
        shape = (
            "equal to it" if slope == 1 and offset == 0 else f"'{target}' is {slope:g} × it {'+' if offset >= 0 else '-'} {abs(offset):g}"
        )
        return Leak(column, target, 1.0, whole, shape + ("" if whole else f", on the {there.mean():.1%} of rows that have it"))
    with np.errstate(divide="ignore", invalid="ignore"):  # numbers too close to tell apart have no correlation
        line_share = float(np.nan_to_num(np.corrcoef(scale_finite(given[there]), scale_finite(goal[there]))[0, 1]) ** 2)
    strength = max(line_share, _monotone(given[there], goal[there])) * float(there.mean())
    return None if strength < STRONG else Leak(column, target, strength, False, f"alone it explains {strength:.1%} of the variance")


def scale_finite(numbers: np.ndarray) -> np.ndarray:
    """Finite numbers divided by the largest of them where its powers would leave the range of float64."""
    largest = float(np.abs(numbers).max(initial=0))
    return numbers if 1e-60 < largest < 1e60 or not largest else numbers / largest


@np.errstate(over="ignore", invalid="ignore")
def _line(given: np.ndarray, goal: np.ndarray) -> tuple[float, float] | None:
    """Slope and offset of the straight line through all points, or None when they are on none."""
    low, high = int(np.argmin(given)), int(np.argmax(given))
    slope = (goal[high] - goal[low]) / (given[high] - given[low])
    offset = goal[low] - slope * given[low]
    span = goal.max() - goal.min()
    if slope == 0 or not np.abs(slope * given + offset - goal).max() <= AFFINE * span < np.inf:
        return None
    return float(f"{slope:.12g}"), float(f"{offset:.12g}") if abs(offset) > AFFINE * span else 0.0


@np.errstate(over="ignore")
def _monotone(given: np.ndarray, goal: np.ndarray) -> float:
    """1 when the target always rises (or always falls) with the column, as a logarithm of it does; else 0."""
    order = np.argsort(given, kind="stable")
    steps, moves = np.diff(given[order]), np.diff(goal[order])
    strict = (np.sign(moves) == np.sign(steps)).all() or (np.sign(moves) == -np.sign(steps)).all()
    return float(strict and (steps > 0).sum() >= 9)


def _measure_explained(given: np.ndarray, goal: np.ndarray) -> float:
    """The share of variance explained by the mean of other rows with the same value (R², each half judged by the other)."""
    there = np.isfinite(goal)
    given, goal = given[there], scale_finite(goal[there])
    half = np.arange(len(given)) % 2 == 0
    missed = 0.0
    for learned, judged in ((half, ~half), (~half, half)):
        counts = np.bincount(given[learned], minlength=int(given.max()) + 1)
        sums = np.bincount(given[learned], goal[learned], minlength=len(counts))
        means = np.where(counts > 0, sums / np.maximum(counts, 1), goal[learned].mean())
        missed += float(((goal[judged] - means[given[judged]]) ** 2).sum())
    total = float(((goal - goal.mean()) ** 2).sum())
    return 1 - missed / total if total else 0.0


def _confirm(source: Source, suspects: list[Leak], kinds: dict[str, str], joins: Mapping[str, Sequence[str]]) -> list[Leak]:
    """The suspects, `exact` only where every row with a target says so."""
    names = list(dict.fromkeys(name for leak in suspects for name in (leak.column, leak.target)))
    seen: list[dict] = [{} for _ in suspects]
    back: list[dict] = [{} for _ in suspects]
    exact = [True] * len(suspects)
    for piece in (_join_spellings(each, joins) for each in source.batches(names)):
        for place, leak in enumerate(suspects):
            rows = piece.filter(piece.column(leak.target).is_valid())
            values, truth = rows.column(leak.column), rows.column(leak.target)
            if exact[place] and kinds.get(leak.target) == "number" and is_numeric(values) and is_numeric(truth):
                exact[place] = _numbers_agree(values, truth, seen[place])
            elif exact[place]:
                exact[place] = _values_agree(values, truth, seen[place], back[place])
    return [
        leak if each else Leak(leak.column, leak.target, STRONG, False, leak.why + ", on nearly all rows")
        for leak, each in zip(suspects, exact, strict=True)
    ]


def _values_agree(values: pa.ChunkedArray, truth: pa.ChunkedArray, seen: dict, back: dict) -> bool:
    (given, names), (wanted, classes) = _codes(values), _codes(truth)
    width = int(wanted.max(initial=0)) + 1
    for pair in np.unique(given * width + wanted).tolist():
        left, right = _name(names, pair // width), _name(classes, pair % width)
        if seen.setdefault(left, right) != right or back.setdefault(right, left) != left:
            return False
    return True


@np.errstate(over="ignore", invalid="ignore")
def _numbers_agree(values: pa.ChunkedArray, truth: pa.ChunkedArray, seen: dict) -> bool:
    """Whether all points so far are on one line: the first two different ones say which."""
    given, goal = (pc.fill_null(each.cast(pa.float64(), safe=False), np.nan).to_numpy() for each in (values, truth))
    if not np.isfinite(given).all():
        return False
    if "line" not in seen and len(given) and given.min() < given.max():
        line = _line(given, goal)
        if line is None:
            return False
        seen["line"] = line
    if "line" not in seen:
        return True
    slope, offset = seen["line"]
    return bool(np.abs(slope * given + offset - goal).max(initial=0) <= 1e-6 * max(float(np.abs(goal).max(initial=0)), 1e-12))

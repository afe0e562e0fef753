"""What a method found: numbers by column and row, maps of arrays, curves, and how all of it came about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from trainwright.explain.study import Study
from trainwright.files.text import plain

FORMAT = 1
REST = "(other columns)"
"""What belongs to columns that were not asked for."""


@dataclass
class Rows:
    """Attributions row by row."""

    indices: np.ndarray
    """The rows, from 0."""
    output: np.ndarray
    """The output that was explained of each."""
    answer: np.ndarray
    """What the model says of it."""
    at_baseline: np.ndarray | None
    """And of the baseline; None for methods that have none."""
    attributions: np.ndarray
    """(rows, columns), float64."""
    gap: np.ndarray | None = None
    """By how much the sum of attributions is off the difference that it explains; None where it need not be that."""


@dataclass
class Curve:
    """Partial dependence on one column."""

    column: str
    words: list[str]
    values: list[float] | None
    mean: np.ndarray
    """The mean answer at each value."""
    rows: np.ndarray
    """Those of single rows (rows, values)."""


@dataclass
class Explanation:
    """The result of a method."""

    method: str
    about: str
    """What is explained, in words."""
    columns: list[str]
    n: int
    """Rows that were looked at."""
    total: int
    """Rows that there were."""
    seed: int
    settings: dict[str, Any]
    outputs: list[str]
    named_rows: bool = False
    """Whether a person named the rows."""
    rows: Rows | None = None
    ranked: list[dict[str, Any]] = field(default_factory=list)
    """The columns, those that matter most first, with the numbers of the method."""
    baseline: str = ""
    maps: dict[str, list[np.ndarray]] = field(default_factory=dict)
    """Column → a map for each of the first rows."""
    mean_maps: dict[str, np.ndarray] = field(default_factory=dict)
    """Column → the mean over rows of the size of the map."""
    inputs: dict[str, list[np.ndarray]] = field(default_factory=dict)
    """Column → the arrays that the maps belong to."""
    curves: list[Curve] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    row_names: list[str] = field(default_factory=list)
    values: dict[str, list[str]] = field(default_factory=dict)
    """Column → its values in the first rows, in words."""
    pictures: list[str] = field(default_factory=list)
    """Columns whose `inputs` are pictures (channels, height, width) with values from 0 to 255."""

    def as_json(self) -> dict[str, Any]:
        """All of it but the maps of single rows, as JSON holds it; NaN as null."""
        found: dict[str, Any] = {"format": FORMAT, "method": self.method, "about": self.about, "n": self.n, "total": self.total}
        found |= {"seed": self.seed, "settings": self.settings, "baseline": self.baseline or None, "gap": self.gap()}
        found |= {"columns": self.ranked, "notes": self.notes}
        if self.rows is not None:
            found["rows"] = [self._row(self.rows, place) for place in range(len(self.rows.indices))]
        if self.curves:
            found["curves"] = [_curve(each) for each in self.curves]
        if self.maps or self.mean_maps:
            found["maps"] = {name: [list(each.shape) for each in maps] for name, maps in self.maps.items()}
        return dict(plain(found))

    def gap(self) -> dict[str, float] | None:
        """How far sums of attributions are off: mean and largest, and the largest as a share of what is explained."""
        rows = self.rows
        if rows is None or rows.gap is None or not len(rows.gap):
            return None
        size = np.abs(rows.gap)
        whole = np.abs(rows.answer - rows.at_baseline) if rows.at_baseline is not None else np.abs(rows.answer)
        return {"mean": float(size.mean()), "largest": float(size.max()), "share": float(size.sum() / max(whole.sum(), 1e-300))}

    def _row(self, rows: Rows, place: int) -> dict[str, Any]:
        found = {"row": int(rows.indices[place]) + 1, "output": self.outputs[int(rows.output[place])], "answer": rows.answer[place]}
        if rows.at_baseline is not None:
            found["baseline_answer"] = rows.at_baseline[place]
        if rows.gap is not None:
            found["gap"] = rows.gap[place]
        return {**found, "attributions": dict(zip(self.columns, rows.attributions[place].tolist(), strict=True))}

    def __repr__(self) -> str:
        first = ", ".join(f"{each['column']} {each[self.measure]:.4g}" for each in self.ranked[:4])
        return f"Explanation({self.method} of {self.about}, {self.n} rows: {first})"

    @property
    def measure(self) -> str:
        """The number by which columns are ranked."""
        return next(iter([key for key in (self.ranked[0] if self.ranked else {}) if key != "column"]), "mean_absolute")


def _curve(curve: Curve) -> dict[str, Any]:
    return {"column": curve.column, "values": curve.values or curve.words, "mean": curve.mean.tolist(), "rows": curve.rows.tolist()}


def begin(study: Study, logit: bool = False, *, baseline: bool = False) -> Explanation:
    """An explanation that says what was asked, still without numbers."""
    asked = study.asked
    return Explanation(
        method=asked.method.type,
        about=study.about(logit),
        columns=study.names,
        n=len(study.indices),
        total=len(study.subject.rows),
        seed=asked.seed,
        settings=study.settings(),
        outputs=[str(each) for each in study.subject.outputs],
        named_rows=bool(asked.row),
        baseline=study.baseline.words if baseline else "",
        notes=[study.subject.left_out] if study.subject.left_out else [],
        pictures=[column.name for player in study.players for column in player if column.picture],
        row_names=[study.subject.name_row(int(index)) for index in study.indices[: asked.maps]],
    )


def rank_rows(found: Explanation) -> None:
    """Rank columns by the mean size of their attributions, with their mean, its deviation, and their share of all."""
    if found.rows is None:
        return
    numbers = found.rows.attributions
    sizes = np.abs(numbers).mean(0) if len(numbers) else np.zeros(len(found.columns))
    whole = max(float(sizes.sum()), 1e-300)
    ranked = [
        {
            "column": name,
            "mean_absolute": float(sizes[place]),
            "mean": float(numbers[:, place].mean()),
            "deviation": float(numbers[:, place].std()),
            "share": float(sizes[place]) / whole,
        }
        for place, name in enumerate(found.columns)
    ]
    found.ranked = sorted(ranked, key=lambda each: -each["mean_absolute"])


class Collector:
    """Attributions batch by batch; maps are kept of the first rows alone, and their mean size over all."""

    def __init__(self, study: Study, found: Explanation) -> None:
        self.study, self.found = study, found
        self.pieces: list[Rows] = []
        self._seen: dict[str, int] = {}

    def add(
        self, piece: Rows, maps: dict[str, np.ndarray], arrays: dict[str, np.ndarray], lengths: dict[str, np.ndarray] | None = None
    ) -> None:
        """The next rows, with maps (b, …) by column and the arrays that they belong to; `lengths` of arrays that differ in it."""
        self.pieces.append(piece)
        for name, each in maps.items():
            room = max(self.study.asked.maps - len(self.found.maps.setdefault(name, [])), 0)
            ends = (lengths or {}).get(name)
            kept = [one if ends is None else one[: ends[place]] for place, one in enumerate(each[:room].astype(np.float32))]
            self.found.maps[name] += kept
            if name in arrays:
                some = arrays[name][:room]
                self.found.inputs.setdefault(name, []).extend(one if ends is None else one[: ends[at]] for at, one in enumerate(some))
            if ends is None:
                self._add_mean(name, np.abs(each).sum(0), len(each))

    def _add_mean(self, name: str, size: np.ndarray, count: int) -> None:
        """The running mean over rows."""
        before = self.found.mean_maps.get(name)
        seen = self._seen[name] = self._seen.get(name, 0) + count
        self.found.mean_maps[name] = size / count if before is None else before + (size - count * before) / seen

    def finish(self) -> Explanation:
        """The explanation with all rows, ranked."""
        self.found.rows = join_rows(self.pieces)
        rank_rows(self.found)
        add_values(self.study, self.found)
        return self.found


def join_rows(pieces: Sequence[Rows]) -> Rows:
    """Rows of batches one after the other."""

    def joined(name: str) -> Any:
        parts = [getattr(each, name) for each in pieces]
        return None if any(each is None for each in parts) else np.concatenate(parts)

    return Rows(*(joined(name) for name in ("indices", "output", "answer", "at_baseline", "attributions", "gap")))


def add_values(study: Study, found: Explanation) -> None:
    """The values of the columns in the first rows."""
    some = study.indices[: study.asked.maps]
    for player in study.players:
        for column in player:
            found.values[column.name] = study.subject.values(column, some)

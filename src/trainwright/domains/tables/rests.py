"""Where in an array of one row an answer rests, for what a domain says in the report."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from trainwright.config.errors import TrainwrightError
from trainwright.domains.facts import Rests
from trainwright.domains.tables.explained import TableSubject, has_floats
from trainwright.domains.tables.model import Model
from trainwright.explain.run import explain, method_options
from trainwright.explain.study import Asked
from trainwright.features.encoding import EncodedTable
from trainwright.features.table_rows import table_rows

POINTS = {5_000_000: 16, 20_000_000: 4}
"""Parameters of a network, at most → points of integrated gradients; of larger ones only a GPU is asked."""
WINDOWS = 6
"""Windows of a row that are looked at, evenly over it."""


class RestsOf:
    """(place among the rows of a split, target, output or "" for the likeliest, column) → where the answer rests; None for none."""

    def __init__(self, model: Model, table: EncodedTable, positions: np.ndarray) -> None:
        self.model, self.table, self.positions = model, table, positions
        parameters = sum(each.numel() for each in model.system.parameters())
        self.points = next((points for most, points in POINTS.items() if parameters <= most), 0)
        if not self.points and next(model.system.parameters()).is_cuda:
            self.points = 4

    def __call__(self, place: int, target: str, output: str, column: str, method: str = "integrated_gradients") -> Rests | None:
        if not self.points:
            return None
        subject = TableSubject(self.model, self.table, self.positions[place : place + 1], None, target)
        group = next(each for each in self.model.encoder.groups if column in each.columns)
        if not len(subject.rows) or not has_floats(group):
            return None
        found = [self._one(subject, number, output, column, method) for number in spread(len(subject.rows))]
        return max((each for each in found if each is not None), key=lambda each: each.answer, default=None)

    def _one(self, subject: TableSubject, number: int, output: str, column: str, method: str) -> Rests | None:
        steps = {"steps": self.points, "most_steps": self.points} if method == "integrated_gradients" else {}
        try:
            asked = Asked(method_options(method, steps), [column], output=output, row=[number + 1], maps=1)
            found: Any = explain(subject, asked)
        except TrainwrightError:
            return None  # a network without a gradient, or that the method is not for: there is nothing to show
        if not found.maps.get(column) or not found.inputs.get(column):
            return None
        window = self.model.encoder.window
        first = number * window.step if window is not None and window.column == column else 0
        answer = float(found.rows.answer[0])
        named = str(found.outputs[int(found.rows.output[0])])
        sizes = found.maps[column][0]
        return Rests(
            np.abs(sizes) if method == "integrated_gradients" else np.maximum(sizes, 0),
            np.asarray(found.inputs[column][0]),
            first,
            named,
            answer,
        )


class AnswersOf:
    """(place among the rows of a split, target with positions) → the true class of each, below 0 where none counts, and the answer."""

    def __init__(self, model: Model, table: EncodedTable, positions: np.ndarray) -> None:
        self.model, self.table, self.positions = model, table, positions

    def __call__(self, place: int, target: str) -> tuple[np.ndarray, np.ndarray]:
        system = self.model.system
        batch = table_rows(self.table, self.positions[place : place + 1]).take(torch.tensor([0]))
        given = {name: each.to(next(system.parameters()).device) for name, each in batch.items() if not name.startswith("target.")}
        with torch.no_grad():
            found = system.output_of(target, given, [None] * len(self.model.encoder.groups))
        return batch[f"target.{target}"][0].cpu().numpy(), found[0].argmax(0).cpu().numpy()


def spread(count: int) -> list[int]:
    """At most six numbers below `count`, evenly."""
    return list(range(count)) if count <= WINDOWS else np.linspace(0, count - 1, WINDOWS).round().astype(int).tolist()

"""Integrated gradients (Sundararajan, Taly and Yan 2017), with how far they are from being complete."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import torch
from torch import Tensor

from trainwright.explain import IntegratedGradientsOptions
from trainwright.explain.batches import rows_at_once, rows_in
from trainwright.explain.explanation import REST, Collector, Explanation, Rows, begin
from trainwright.explain.study import Study, no_gradient
from trainwright.explain.subject import Tensors

LEAST_SHARE = 0.1
"""A difference counts as at least this share of all attributions, so that one near nothing asks for no endless accuracy."""


@cache
def nodes(steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Points of (0, 1) and their weights, by Gauss-Legendre."""
    places, weights = np.polynomial.legendre.leggauss(steps)
    return (places + 1) / 2, weights / 2


class IntegratedGradients:
    """(x - x') · ∫ ∂f/∂x along the straight way from the baseline x' to x; the sum over all inputs is f(x) - f(x') but for the gap."""

    def __init__(self, options: IntegratedGradientsOptions) -> None:
        self.options = options

    def explain(self, study: Study) -> Explanation:
        """Attributions of every row that is looked at. Raises RequestError for a model without a gradient."""
        study.require_gradient("integrated_gradients")
        found = begin(study, self.options.of == "logit", baseline=True)
        found.notes += study.subject.notes
        collector = Collector(study, found)
        for places, tensors in study.batches():
            collector.add(*self._batch(study, tensors, study.indices[places]), lengths_of(study, tensors))
        if study.named:
            found.columns.append(REST)
        return collector.finish()

    def _batch(self, study: Study, tensors: Tensors, indices: np.ndarray) -> tuple[Rows, dict[str, np.ndarray], dict[str, np.ndarray]]:
        subject, logit = study.subject, self.options.of == "logit"
        chosen = study.chosen(tensors)
        tensors, compared = study.with_baseline(tensors)
        with torch.no_grad():
            end, start = subject.points(tensors), subject.points(compared)
        if not end:
            raise no_gradient("integrated_gradients", "none of its inputs is of floats, and no embedding reads them")
        way = Way(lambda points, others: subject.answer_at(points, others, logit), tensors, start, end, chosen)
        shares, gap = self._until_complete(way)
        credits = {name: each.double().cpu().numpy() for name, each in subject.credit(shares).items()}
        sums = {name: each.reshape(len(each), -1).sum(1) for name, each in credits.items()}
        columns = [
            np.sum([sums[column.name] for column in player if column.name in sums] or [np.zeros(len(chosen))], 0)
            for player in study.players
        ]
        if study.named:
            columns.append(sum(each.flatten(1).sum(1) for each in shares.values()).cpu().numpy() - np.sum(columns, 0))  # type: ignore[union-attr]
        rows = Rows(indices, chosen.numpy(), way.answer.numpy(), way.at_baseline.numpy(), np.stack(columns, 1), gap)
        arrays = {column.name for player in study.players for column in player if column.array and column.name in credits}
        return rows, {name: credits[name] for name in arrays}, arrays_of(study, tensors, arrays)

    def _until_complete(self, way: Way) -> tuple[Tensors, np.ndarray]:
        """Shares by tensor, of rows whose sum is off with twice the points, and again; and by how much each is off in the end."""
        steps, count = self.options.steps, len(way.chosen)
        shares = way.integrate(np.arange(count), steps)
        gap = way.gap(shares)
        while steps < self.options.most_steps:
            size = sum(each.flatten(1).abs().sum(1) for each in shares.values()).cpu().numpy()  # type: ignore[union-attr]
            whole = np.maximum(np.abs((way.answer - way.at_baseline).numpy()), LEAST_SHARE * size)
            off = np.flatnonzero(np.abs(gap) > self.options.tolerance * whole)
            if not len(off):
                break
            steps = min(2 * steps, self.options.most_steps)
            again = way.integrate(off, steps)
            for name, each in again.items():
                shares[name][torch.from_numpy(off)] = each
            gap = way.gap(shares)
        return shares, gap


def arrays_of(study: Study, tensors: Tensors, names: set[str]) -> dict[str, np.ndarray]:
    """The arrays (b, …) of columns, as they are in a batch."""
    found = {}
    for player in study.players:
        for column in player:
            if column.name in names:
                name, position = column.places[0]
                found[column.name] = (tensors[name] if position is None else tensors[name][:, position]).float().cpu().numpy()
    return found


def lengths_of(study: Study, tensors: Tensors) -> dict[str, np.ndarray]:
    """How long the array of each row is (b), of columns whose arrays differ in it."""
    columns = [column for player in study.players for column in player if column.length]
    return {column.name: tensors[column.length].reshape(len(tensors[column.length]), -1)[:, 0].cpu().numpy() for column in columns}


class Way:
    """The straight ways from baselines to rows, along which gradients are summed up."""

    def __init__(
        self, answer_at: Callable[[Tensors, Tensors], Tensor], tensors: Tensors, start: Tensors, end: Tensors, chosen: Tensor
    ) -> None:
        self.answer_at, self.tensors, self.start, self.end, self.chosen = answer_at, tensors, start, end, chosen
        self.size = rows_at_once({**tensors, **end})
        self.answer, self.at_baseline = self._answers(end), self._answers(start)

    def _answers(self, points: Tensors) -> Tensor:
        """What is explained (b), float64."""
        found = []
        with torch.no_grad():
            for first in range(0, len(self.chosen), self.size):
                some = slice(first, first + self.size)
                given = self.answer_at({name: each[some] for name, each in points.items()}, {k: v[some] for k, v in self.tensors.items()})
                found.append(given.double().cpu().gather(1, self.chosen[some, None])[:, 0])
        return torch.cat(found)

    def integrate(self, rows: np.ndarray, steps: int) -> Tensors:
        """Shares of these rows by tensor, float64: as many (row, point) pairs at a time as memory allows."""
        places, weights = nodes(steps)
        total = {name: torch.zeros(len(rows), *each.shape[1:], dtype=torch.float64) for name, each in self.end.items()}
        pairs = len(rows) * steps
        for first in range(0, pairs, self.size):
            pair = np.arange(first, min(first + self.size, pairs))
            row, step = torch.from_numpy(pair // steps), pair % steps
            for name, gradient in self._gradients(torch.from_numpy(rows)[row], torch.from_numpy(places[step])).items():
                weighed = gradient.double().cpu() * _along(torch.from_numpy(weights[step]), gradient)
                total[name].index_add_(0, row, weighed)
        chosen = torch.from_numpy(rows)
        return {name: each * (self.end[name] - self.start[name])[chosen].double().cpu() for name, each in total.items()}

    def _gradients(self, rows: Tensor, shares: Tensor) -> Tensors:
        """The gradient with respect to each tensor at a share of the way of each row."""
        points = {}
        for name, end in self.end.items():
            begun, way = self.start[name][rows], (end - self.start[name])[rows]
            points[name] = (begun + way * _along(shares, way).to(way.dtype).to(way.device)).detach().requires_grad_()
        others = {name: each[rows] for name, each in self.tensors.items()}
        with torch.enable_grad():
            answers = self.answer_at(points, others)
            if not answers.requires_grad:
                raise no_gradient("integrated_gradients", "its answer does not follow from its inputs by operations with a gradient")
            explained = answers.gather(1, self.chosen[rows].to(answers.device)[:, None]).sum()
            given = torch.autograd.grad(explained, list(points.values()), allow_unused=True)
        return {name: torch.zeros_like(point) if each is None else each for (name, point), each in zip(points.items(), given, strict=True)}

    def gap(self, shares: Tensors) -> np.ndarray:
        """The sum of all shares less the difference of the answers, of each row."""
        total = sum(each.flatten(1).sum(1) for each in shares.values())
        found: np.ndarray = (total - (self.answer - self.at_baseline)).numpy()
        return found


def _along(values: Tensor, like: Tensor) -> Tensor:
    """Values of rows (b) shaped to be multiplied with a tensor (b, …)."""
    return values.reshape(-1, *[1] * (like.dim() - 1))


__all__ = ["IntegratedGradients", "Way", "nodes", "rows_in"]

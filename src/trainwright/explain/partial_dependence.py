"""Partial dependence (Friedman 2001), and the curves of single rows (Goldstein et al. 2015)."""

from __future__ import annotations

import numpy as np
import torch

from trainwright.config.errors import RequestError
from trainwright.explain import PartialDependenceOptions
from trainwright.explain.batches import answers, mixed, rows_in
from trainwright.explain.explanation import Curve, Explanation, begin
from trainwright.explain.study import Study, single_columns
from trainwright.explain.subject import Column, Grid, Tensors


class PartialDependence:
    """The mean answer over the rows when one column has each value of a grid in all of them."""

    def __init__(self, options: PartialDependenceOptions) -> None:
        if options.low >= options.high:
            what = f"the grid would end at quantile {options.high:g}, before it begins at {options.low:g}"
            raise RequestError(what, where="--method partial_dependence", fix="low=0.05 high=0.95")
        self.options = options

    def explain(self, study: Study) -> Explanation:
        """A curve for each column that has values to try, ranked by how far it moves the mean answer."""
        output = self._output(study)
        study.output = output
        found = begin(study, self.options.of == "logit")
        kept = self._kept(study)
        for column in single_columns(study, "partial_dependence"):
            grid = self._grid(study, column, found)
            if grid is not None:
                found.curves.append(self._curve(study, column, grid, output, kept))
        if not found.curves:
            raise RequestError(
                "no column has values that could be tried", where="--method partial_dependence", fix="use --method occlusion"
            )
        ranked = [{"column": each.column, "range": float(np.ptp(each.mean)), "deviation": float(each.mean.std())} for each in found.curves]
        found.ranked = sorted(ranked, key=lambda each: -float(each["range"]))
        return found

    def _grid(self, study: Study, column: Column, found: Explanation) -> Grid | None:
        """The values of a column; those of columns that have none are left out, unless they were named."""
        try:
            return study.subject.grid(column, study.indices, self.options.grid, self.options.low, self.options.high)
        except RequestError as error:
            if study.named:
                raise
            found.notes.append(error.what)
            return None

    def _output(self, study: Study) -> int:
        """One output for all rows: of two classes the second, of more the likeliest on average."""
        if study.output is not None:
            return study.output
        if len(study.subject.outputs) == 2:
            return 1
        total = sum(answers(study.subject, tensors).sum(0) for _, tensors in study.batches())
        return int(torch.as_tensor(total).argmax())

    def _kept(self, study: Study) -> np.ndarray:
        """The places of the rows whose curves are kept, drawn by the seed."""
        count = len(study.indices)
        drawn = np.random.default_rng([study.asked.seed, 1]).permutation(count)[: self.options.curves]
        found: np.ndarray = np.isin(np.arange(count), drawn)
        return found

    def _curve(self, study: Study, column: Column, grid: Grid, output: int, kept: np.ndarray) -> Curve:
        total, curves = np.zeros(len(grid.words)), []
        for places, tensors in study.batches():
            given = self._answers(study, tensors, grid)[:, :, output]
            total += given.sum(0)
            curves.append(given[kept[places]])
        return Curve(column.name, grid.words, grid.values, total / len(study.indices), np.concatenate(curves))

    def _answers(self, study: Study, tensors: Tensors, grid: Grid) -> np.ndarray:
        """The answers to each row with each value (b, g, k)."""
        count, size = rows_in(tensors), len(grid.words)
        many = mixed(tensors, tensors, [], torch.zeros(size, 0, dtype=torch.bool))
        for (name, position), values in grid.encoded.items():
            spread = values.to(many[name].device, many[name].dtype).repeat(count, *[1] * (values.dim() - 1))
            if position is None:
                many[name] = spread
            else:
                many[name][:, position] = spread
        found: np.ndarray = answers(study.subject, many, self.options.of == "logit").reshape(count, size, -1).numpy()
        return found


def number_grid(values: np.ndarray, size: int, low: float, high: float) -> list[float]:
    """The values that are tried of a number: all of them where there are at most `size`, else evenly between two quantiles.

    As `sklearn.inspection.partial_dependence` has it, whose quantiles are scipy's `mquantiles` (alphap = betap = 0.4).
    """
    known = np.unique(values[np.isfinite(values)])
    if not len(known):
        return []
    if len(known) <= size:
        return [float(each) for each in known]
    first, last = (_mquantile(np.sort(values[np.isfinite(values)]), each) for each in (low, high))
    return [float(each) for each in np.linspace(first, last, size)]


def _mquantile(ordered: np.ndarray, share: float) -> float:
    """Scipy's `mquantiles` with its defaults: between the values at (n + 0.2)·p + 0.4 and the next."""
    at = (len(ordered) + 0.2) * share + 0.4
    below = int(np.clip(np.floor(at), 1, len(ordered) - 1)) if len(ordered) > 1 else 1
    part = float(np.clip(at - below, 0, 1))
    after = min(below, len(ordered) - 1)
    return float((1 - part) * ordered[below - 1] + part * ordered[after])

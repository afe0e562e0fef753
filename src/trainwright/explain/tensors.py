"""Models whose inputs are tensors by name: each number of a short one is a column of its own, longer ones are arrays."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from trainwright.config.errors import RequestError
from trainwright.explain.batches import pieces
from trainwright.explain.partial_dependence import number_grid
from trainwright.explain.subject import Column, Grid, Place, Subject, Taken, Tensors

ELEMENTS = 64
"""A row of a tensor with at most so many numbers, and one dimension, is that many columns."""
FEW_VALUES = 20
"""Whole numbers with at most so many different values are tried one by one."""
READ = 4096
"""Rows of which values are read at a time."""


def columns_of(tensors: Mapping[str, Tensor]) -> list[Column]:
    """The columns of tensors (b, …): the numbers of short rows by place (`x[3]`), arrays as they are."""
    found: list[Column] = []
    for name, tensor in tensors.items():
        shape = tuple(tensor.shape[1:])
        if not shape:
            found.append(Column(name, ((name, None),)))
        elif len(shape) == 1 and shape[0] <= ELEMENTS:
            found += [Column(f"{name}[{place}]", ((name, place),)) for place in range(shape[0])]
        else:
            found.append(Column(name, ((name, None),), shape, array=True))
    return found


class TensorSubject(Subject):
    """What is common to models of tensors: values of columns, and grids of them."""

    def values(self, column: Column, indices: np.ndarray) -> list[str]:
        """The numbers in some rows."""
        if column.array or not len(indices):
            return super().values(column, indices)
        return [f"{each:.6g}" for each in self._numbers(column.places[0], indices)]

    def grid(self, column: Column, indices: np.ndarray, size: int, low: float, high: float) -> Grid:
        """All values of a number that has few, else evenly between two quantiles of these rows; whole numbers stay whole."""
        if column.array:
            return super().grid(column, indices, size, low, high)
        place = column.places[0]
        numbers = np.concatenate([self._numbers(place, indices[some]) for some in pieces(len(indices), READ)])
        whole = not self.take(indices[:1])[place[0]].is_floating_point()
        values = number_grid(numbers, max(size, FEW_VALUES) if whole else size, low, high)
        values = sorted({float(round(each)) for each in values}) if whole else values
        return Grid(values, [f"{each:.6g}" for each in values], {place: torch.tensor(values, dtype=torch.float64)})

    def _numbers(self, place: Place, indices: np.ndarray) -> np.ndarray:
        name, position = place
        tensor = self.take(indices)[name]
        found: np.ndarray = (tensor if position is None else tensor[:, position]).double().cpu().numpy()
        return found


class FunctionSubject(TensorSubject):
    """A function of tensors by name that gives a tensor, (b) or (b, k): anything that answers rows."""

    def __init__(
        self,
        function: Callable[[Tensors], Tensor],
        rows: Taken,
        outputs: Sequence[str] = ("output",),
        *,
        chooses: bool = False,
        no_gradient: str = "",
        module: nn.Module | None = None,
    ) -> None:
        """`chooses`: whether the outputs are classes; `no_gradient`: why it has no gradient, where it has none."""
        self.function, self.rows, self.outputs = function, rows, list(outputs)
        self.chooses, self.no_gradient, self.module = chooses, no_gradient, module
        self.columns = columns_of(rows.take(torch.arange(min(2, len(rows)))))
        self.about = self.about_logit = "the output {}" if len(self.outputs) > 1 else "the output"

    def answer(self, tensors: Tensors, logit: bool = False) -> Tensor:
        """What the function gives (b, k)."""
        given = self.function(tensors)
        found = given[:, None] if given.dim() == 1 else given
        if found.dim() != 2 or found.shape[1] != len(self.outputs):
            what = f"the function gives {tuple(given.shape)}"
            raise RequestError(what, why=f"it has {len(self.outputs)} outputs by name", fix="give (rows, outputs)")
        return found

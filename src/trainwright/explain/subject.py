"""What is explained: a model over named inputs, of which it is known where each lies in a batch and what the answers stand for."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from trainwright.config.errors import RequestError, did_you_mean

Tensors = dict[str, Tensor]
Place = tuple[str, int | None]
"""A tensor of a batch, and the position along its first dimension after the rows; None for the whole of it."""


@dataclass(frozen=True)
class Column:
    """An input by name, and where it lies in the tensors of a batch; of an array the shape of one row (first place), else ()."""

    name: str
    places: tuple[Place, ...]
    shape: tuple[int, ...] = ()
    array: bool = False
    """Whether its value is an array, of which there are maps."""
    length: str = ""
    """The tensor that says how long the array of a row is, where they differ."""
    picture: bool = False
    """Whether its array is a picture (channels, height, width) with values from 0 to 255."""


@dataclass(frozen=True)
class Grid:
    """Values of a column that are tried: as numbers where they are such, in words, and as the model takes them (g, …) by place."""

    values: list[float] | None
    words: list[str]
    encoded: dict[Place, Tensor]


class Taken(Protocol):
    """Rows by index, as the trainer has them."""

    def __len__(self) -> int: ...

    def take(self, indices: Tensor) -> Any:
        """Tensors by name, rows first."""


class Subject(ABC):
    """A model over named inputs. Tensors of a batch have rows first; what `answer` gives is (b, k), one number for each of `outputs`."""

    columns: Sequence[Column]
    rows: Taken
    outputs: Sequence[str]
    """Names of the numbers that it gives of a row: classes, or parts of a vector."""
    chooses: bool = False
    """Whether the outputs are classes, of which a row has a likeliest."""
    about: str = "the output"
    """What is explained, in words; `{}` stands for the output that is explained."""
    about_logit: str = "the output of the network"
    no_gradient: str = ""
    """Why there is no gradient with respect to the inputs; empty where there is one."""
    module: nn.Module | None = None
    """The network whose layers may be looked at."""
    notes: Sequence[str] = ()
    """What is said of its gradients."""
    left_out: str = ""
    """Of which rows there are, but cannot be looked at, in words."""
    reads_first: int = 0
    """Tokens in front of those of the columns, of which the first is read out; 0 where that is not known."""
    usual_baseline: str = "zero"

    @abstractmethod
    def answer(self, tensors: Tensors, logit: bool = False) -> Tensor:
        """The numbers of each row (b, k); differentiable with respect to tensors of floats, unless `no_gradient` says otherwise."""

    def take(self, indices: np.ndarray) -> Tensors:
        """The inputs of some rows."""
        found: Tensors = dict(self.rows.take(torch.as_tensor(indices, dtype=torch.int64)))
        return found

    def points(self, tensors: Tensors) -> Tensors:
        """What gradients are taken with respect to: the inputs of floats, and what stands for the others; rows first."""
        return {name: tensors[name] for name in _names(self.columns) if tensors[name].is_floating_point()}

    def answer_at(self, points: Tensors, tensors: Tensors, logit: bool = False) -> Tensor:
        """As `answer`, with what `points` gives in other values."""
        return self.answer({**tensors, **points}, logit)

    def credit(self, shares: Tensors) -> dict[str, Tensor]:
        """What belongs to each column of numbers that lie as the points do: (b,), or (b, …) of an array."""
        return {column.name: found for column in self.columns if (found := credit_of(column, shares)) is not None}

    def baseline(self, kind: str) -> Tensors | None:
        """One row of the baseline of a kind that the model itself knows (`typical`); None for others."""
        return None

    def place_of(self, column: Column) -> str:
        """The module that reads a column alone, by its name; empty where that is not known."""
        return ""

    def column_of_layer(self, layer: str) -> Column | None:
        """The column that a layer reads alone, where that is known."""
        return next((each for each in self.columns if (place := self.place_of(each)) and layer.startswith(f"{place}.")), None)

    def values(self, column: Column, indices: np.ndarray) -> list[str]:
        """The values of a column in some rows, in words; empty texts for arrays."""
        return [""] * len(indices)

    def name_row(self, index: int) -> str:
        """What a row is called."""
        return f"row {index + 1}"

    def grid(self, column: Column, indices: np.ndarray, size: int, low: float, high: float) -> Grid:
        """The values of a column that are tried: of a number between two quantiles of these rows. Raises RequestError for what has none."""
        raise RequestError(f"'{column.name}' has no values that could be tried", fix="take another column, or --method occlusion")

    def measure(self, metric: str, indices: np.ndarray) -> Measure:
        """What measures these rows by a metric. Raises RequestError where nothing is known of what is true."""
        raise RequestError("nothing is known of what is true of these rows", fix="use --method occlusion or shapley, which need no truth")

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        first = None if self.module is None else next(self.module.parameters(), None)
        return torch.device("cpu") if first is None else first.device


Mix = Callable[[Tensors, np.ndarray], Tensors]
"""What is done to a batch, of which the rows have these numbers, before it is answered."""


@dataclass(frozen=True)
class Measure:
    """A metric of rows: `of(change)` is its value where each batch goes through `change` first."""

    name: str
    higher_is_better: bool
    of: Callable[[Mix | None], float]


def _names(columns: Iterable[Column]) -> list[str]:
    return list(dict.fromkeys(name for column in columns for name, _ in column.places))


def credit_of(column: Column, shares: Mapping[str, Tensor]) -> Tensor | None:
    """What of shares by tensor belongs to a column: summed to (b,), or (b, …) of an array; None where it lies in none of them."""
    total: Tensor | None = None
    for name, position in column.places:
        if name not in shares:
            continue
        share = shares[name] if position is None else shares[name][:, position]
        if total is None:
            total = share if column.array else share.flatten(1).sum(1) if share.dim() > 1 else share
        else:  # an indicator of missing values beside the value: its share belongs to the whole of it
            rest = share.flatten(1).sum(1) if share.dim() > 1 else share
            total = total + (rest.reshape(-1, *[1] * (total.dim() - 1)) / max(total[0].numel(), 1) if total.dim() > 1 else rest)
    return total


def find_columns(subject: Subject, names: Iterable[str], flag: str = "--column") -> list[Column]:
    """The columns of these names; raises RequestError for one that there is not, and for one named twice, which would count twice."""
    known = {column.name: column for column in subject.columns}
    found: dict[str, str] = {}
    for name in names:
        parts = [name] if name in known else [each for each in known if each.startswith(f"{name}[")]
        if not parts:
            raise RequestError(f"there is no input '{name}'", where=flag, fix=did_you_mean(name, known))
        for each in parts:
            if each in found:
                why = f"'{found[each]}' and '{name}' both mean it" if found[each] != name else ""
                raise RequestError(f"'{each}' is named twice", where=flag, why=why, fix="name each column once")
            found[each] = name
    return [known[each] for each in found]


def find_output(subject: Subject, name: str) -> int | None:
    """Which output is explained: that of a name (or number); without one the likeliest of each row, of one that is no class the first."""
    if not name:
        return None if subject.chooses else 0
    names = [str(each) for each in subject.outputs]
    if name in names:
        return names.index(name)
    if name.isdigit() and int(name) < len(names):
        return int(name)
    what = "class" if subject.chooses else "output"
    raise RequestError(f"there is no {what} '{name}'", where="--class", fix=did_you_mean(name, names))

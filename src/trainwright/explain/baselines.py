"""What a row is compared with: typical values, means over rows, zeros, or a row of one's own."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from trainwright.config.errors import RequestError, did_you_mean
from trainwright.explain.batches import pieces
from trainwright.explain.subject import Subject, Tensors

KINDS = ("typical", "mean", "zero", "row:N")
KNOWN = {
    "typical": "what was typical in training: the median of a number, the most frequent category, nothing of other columns",
    "zero": "zeros; of columns that are no numbers nothing",
}
MOST_COUNTED = 100_000
"""Different whole numbers of an input that are counted to find the most frequent."""


@dataclass(frozen=True)
class Baseline:
    """One row (1, …) by tensor, and what it is in words."""

    row: Tensors
    words: str


def make_baseline(subject: Subject, kind: str, indices: np.ndarray, batch_size: int) -> Baseline:
    """The baseline of a kind: what the model itself knows as `typical`, or from the rows at `indices`. Raises RequestError."""
    kind = kind or subject.usual_baseline
    if kind == "mean":
        return _mean(subject, indices, batch_size)
    if kind.startswith("row:"):
        return _row(subject, kind)
    if kind not in KNOWN:
        raise RequestError(f"there is no baseline '{kind}'", where="--baseline", fix=did_you_mean(kind, KINDS))
    known = subject.baseline(kind)
    if known is not None:
        return Baseline(known, KNOWN[kind])
    if kind == "zero":
        first = _inputs(subject, subject.take(np.array([0])))
        return Baseline({name: torch.zeros_like(each) for name, each in first.items()}, KNOWN[kind])
    why = "what was typical in training is kept with columns alone, not with tensors"
    raise RequestError("this model knows of no typical row", where="--baseline typical", why=why, fix="use mean, zero or row:N")


def _row(subject: Subject, kind: str) -> Baseline:
    text = kind.removeprefix("row:")
    if not text.isdigit() or not 1 <= int(text) <= len(subject.rows):
        why = f"there are {len(subject.rows):,} rows, from 1"
        raise RequestError(f"'{kind}' names no row", where="--baseline", why=why, fix="--baseline row:1")
    found = _inputs(subject, subject.take(np.array([int(text) - 1])))
    return Baseline(found, f"the values of {subject.name_row(int(text) - 1)}")


def _inputs(subject: Subject, tensors: Tensors) -> Tensors:
    """The tensors that hold columns."""
    names = {name for column in subject.columns for name, _ in column.places}
    return {name: tensor for name, tensor in tensors.items() if name in names}


def _mean(subject: Subject, indices: np.ndarray, batch_size: int) -> Baseline:
    """Means of floats and the most frequent of whole numbers, over all rows that are looked at; one batch in memory at a time."""
    if len(indices) < 2:
        raise RequestError(
            "the mean of one row is the row itself", where="--baseline mean", fix="give more rows, or use typical, zero or row:N"
        )
    ragged = _ragged(subject)
    sums: dict[str, Tensor] = {}
    counts: dict[str, _Counts] = {}
    for places in pieces(len(indices), batch_size):
        for name, tensor in _inputs(subject, subject.take(indices[places])).items():
            if name in ragged:
                continue
            if tensor.is_floating_point():
                total = tensor.double().sum(0, keepdim=True)
                if name in sums and sums[name].shape != total.shape:
                    raise RequestError(f"the rows of '{name}' differ in length", where="--baseline mean", fix="use zero, typical or row:N")
                sums[name] = sums.get(name, 0) + total
            else:
                counts.setdefault(name, _Counts(name, tensor)).add(tensor)
    kinds = {name: tensor.dtype for name, tensor in subject.take(indices[:1]).items()}
    row = {name: (total / len(indices)).to(kinds[name]) for name, total in sums.items()}
    row |= {name: row[name].round() for name in _switches(subject) if name in row}
    row |= {name: each.most_frequent() for name, each in counts.items()}
    said = f"means and most frequent values of {len(indices):,} rows"
    return Baseline(row | ragged, said + ("; of arrays that differ in length nothing" if ragged else ""))


def _switches(subject: Subject) -> set[str]:
    """The tensors that say whether an array is there, of which there is nothing between: what most rows have stands for all."""
    return {name for column in subject.columns if column.array for name, _ in column.places[1:]}


def _ragged(subject: Subject) -> Tensors:
    """The tensors of columns whose arrays differ in length, of which there is no mean: as in a row without one."""
    names = {name for column in subject.columns if column.length for name, _ in column.places}
    known = (subject.baseline("typical") or {}) if names else {}
    return {name: known[name] for name in names if name in known}


class _Counts:
    """How often whole numbers occur, position by position."""

    def __init__(self, name: str, like: Tensor) -> None:
        self.name, self.like = name, like[:1]
        self.held: list[dict[int, int]] = [{} for _ in range(like[:1].numel())]

    def add(self, tensor: Tensor) -> None:
        """Count those of more rows."""
        flat = tensor.reshape(len(tensor), -1)
        if flat.shape[1] != len(self.held):
            raise RequestError(f"the rows of '{self.name}' differ in length", where="--baseline mean", fix="use zero, typical or row:N")
        for found, values in zip(self.held, flat.unbind(1), strict=True):
            different, times = torch.unique(values, return_counts=True)
            for value, count in zip(different.tolist(), times.tolist(), strict=True):
                found[value] = found.get(value, 0) + count
            if len(found) > MOST_COUNTED:
                why = f"it has over {MOST_COUNTED:,}"
                raise RequestError(f"'{self.name}' has too many values to count", where="--baseline mean", why=why, fix="use zero or row:N")

    def most_frequent(self) -> Tensor:
        """The most frequent value of each position (1, …), of equally frequent ones the smallest."""
        best = [min(found, key=lambda value: (-found[value], value)) for found in self.held]
        return torch.tensor(best, dtype=self.like.dtype, device=self.like.device).reshape(self.like.shape)

"""Answers to many rows in bounded pieces, and rows of which some columns come from elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from trainwright.explain.subject import Column, Subject, Tensors

FLOATS = 1 << 22
"""Numbers in the rows of one forward pass, at most."""
ROWS = 512
"""Rows of one forward pass, at most: what such a network holds of them stays in the caches of a processor."""

Player = Sequence[Column]
"""Columns that are replaced together."""


def rows_in(tensors: Tensors) -> int:
    """How many rows a batch has."""
    return len(next(iter(tensors.values())))


def rows_at_once(tensors: Tensors) -> int:
    """Rows that go through the model together."""
    each = sum(tensor[:1].numel() for tensor in tensors.values())
    return max(1, min(ROWS, FLOATS // max(each, 1)))


def pieces(count: int, size: int) -> Iterator[np.ndarray]:
    """The numbers from 0 to `count`, `size` at a time."""
    for start in range(0, count, size):
        yield np.arange(start, min(start + size, count))


def cut(tensors: Tensors, start: int, end: int) -> Tensors:
    """Some rows of a batch."""
    return {name: tensor[start:end] for name, tensor in tensors.items()}


def answers(subject: Subject, tensors: Tensors, logit: bool = False) -> Tensor:
    """What the model says of each row (b, k), float64, without a gradient; as many rows at a time as memory allows."""
    count, size = rows_in(tensors), rows_at_once(tensors)
    with torch.no_grad():
        found = [subject.answer(cut(tensors, start, start + size), logit).double().cpu() for start in range(0, count, size)]
    return torch.cat(found)


def padded_alike(one: Tensors, other: Tensors) -> tuple[Tensors, Tensors]:
    """Two batches whose tensors have the same shape of a row, the shorter filled up with zeros at the end."""
    if all(one[name].shape[1:] == other[name].shape[1:] for name in one if name in other):
        return one, other
    first, second = dict(one), dict(other)
    for name in one.keys() & other.keys():
        shape = [max(pair) for pair in zip(one[name].shape[1:], other[name].shape[1:], strict=True)]
        first[name], second[name] = _fill_up(one[name], shape), _fill_up(other[name], shape)
    return first, second


def _fill_up(tensor: Tensor, shape: Sequence[int]) -> Tensor:
    lacking = [wanted - size for wanted, size in zip(shape, tensor.shape[1:], strict=True)]
    return F.pad(tensor, [each for size in reversed(lacking) for each in (0, size)]) if any(lacking) else tensor


def replaced(tensors: Tensors, other: Tensors, player: Player) -> Tensors:
    """The batch with the columns of a player from the same rows of another batch (or its only row)."""
    tensors, other = padded_alike(tensors, other)
    found = dict(tensors)
    whole = {name for column in player for name, position in column.places if position is None}
    for column in player:
        for name, position in column.places:
            if name in whole:
                found[name] = other[name].expand_as(tensors[name])
                continue
            if found[name] is tensors[name]:
                found[name] = tensors[name].clone()
            found[name][:, position] = other[name][:, position]
    return found


def mixed(tensors: Tensors, baseline: Tensors, players: Sequence[Player], keep: Tensor) -> Tensors:
    """Every row (b) once for every line of `keep` (m, players), false where a player's columns are the baseline's: (b · m) rows."""
    rows = torch.arange(rows_in(tensors)).repeat_interleave(len(keep))
    return combined(tensors, baseline, players, rows, keep.repeat(rows_in(tensors), 1))


def combined(tensors: Tensors, baseline: Tensors, players: Sequence[Player], rows: Tensor, keep: Tensor) -> Tensors:
    """The rows with these numbers (p), each with the columns of the players it keeps (p, players) and the baseline's of the others."""
    tensors, baseline = padded_alike(tensors, baseline)
    found = {name: tensor.index_select(0, rows.to(tensor.device)) for name, tensor in tensors.items()}
    for name, tensor in found.items():
        mask = _kept(name, tensor, players, keep)
        if mask is not None:
            other = baseline[name] if len(baseline[name]) == 1 else baseline[name].index_select(0, rows.to(tensor.device))
            found[name] = torch.where(mask.to(tensor.device), tensor, other)
    return found


def _kept(name: str, tensor: Tensor, players: Sequence[Player], keep: Tensor) -> Tensor | None:
    """Which numbers of a tensor (p, …) stay as they are, (p, positions, 1 …) or (p, 1 …); None where no player has any of them."""
    places = [
        (number, position) for number, player in enumerate(players) for column in player for each, position in column.places if each == name
    ]
    if not places:
        return None
    if all(position is None for _, position in places):
        return keep[:, [number for number, _ in places]].all(1).reshape(-1, *[1] * (tensor.dim() - 1))
    mask = torch.ones(len(keep), tensor.shape[1], dtype=torch.bool)
    for number, position in places:
        if position is not None:
            mask[:, position] &= keep[:, number]
    return mask.reshape(*mask.shape, *[1] * (tensor.dim() - 2))


def differing(tensors: Tensors, other: Tensors, players: Sequence[Player]) -> Tensor:
    """Which players' columns differ between the same rows of two batches (b, players)."""
    tensors, other = padded_alike(tensors, other)
    found = torch.zeros(rows_in(tensors), len(players), dtype=torch.bool)
    for number, player in enumerate(players):
        for column in player:
            for name, position in column.places:
                differs = tensors[name] != other[name]
                differs = differs if position is None else differs[:, position]
                found[:, number] |= differs.reshape(len(differs), -1).any(1).cpu()
    return found

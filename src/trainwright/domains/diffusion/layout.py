"""Where in a batch that is which is made, and what says which one: read out of the encoded columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from trainwright.config.errors import ConfigError, DataError
from trainwright.domains.diffusion.models.shape import BackboneShape
from trainwright.features.spec import DataSpec, InputGroup, TargetSpec

VECTORS = ("number", "vector")
"""Types of column that are made as vectors; others have channels, and places along one dimension or two."""


@dataclass(frozen=True)
class Piece:
    """Some columns of a group in a batch."""

    group: InputGroup
    places: tuple[int, ...]
    """Their positions within the group."""

    @property
    def all(self) -> bool:
        """Whether it is the whole group."""
        return len(self.places) == len(self.group.columns)

    def take(self, batch: Mapping[str, Tensor], part: str) -> Tensor:
        """A part of these columns `(b, columns, …)`."""
        found = batch[f"{self.group.name}.{part}"]
        return found if self.all else found[:, list(self.places)]


@dataclass(frozen=True)
class Layout:
    """The columns of a generative model by the parts they play."""

    made: Piece
    shape: tuple[int, ...]
    """Of one thing that is made: (d,), (channels, time) or (channels, height, width)."""
    label: TargetSpec | None = None
    """The column that is its class."""
    told: list[Piece] = field(default_factory=list)
    """Other columns that it follows, as numbers."""
    beside: list[Piece] = field(default_factory=list)
    """Pictures or signals of its size that it follows place by place."""

    @property
    def classes(self) -> list[str]:
        """Names of the classes."""
        return [] if self.label is None else list(self.label.classes or [])

    @property
    def widths(self) -> list[int]:
        """How many numbers each column that is told has."""
        return [numbers_of(each) for each in self.told]

    @property
    def conditional(self) -> bool:
        """Whether anything says which one is made."""
        return bool(self.label or self.told or self.beside)

    def backbone_shape(self, augment: bool = False, variance: bool = False) -> BackboneShape:
        """What a network is made for; a vector that is told has one number more, which says whether it is."""
        return BackboneShape(
            channels=self.shape[0],
            size=self.shape[1:],
            classes=len(self.classes),
            mapping=sum(self.widths) + 1 if self.told else 0,
            cross=0,
            concat=sum(channels_of(each) for each in self.beside),
            augment=9 if augment else 0,
            variance=variance,
        )

    def read(self, batch: Mapping[str, Tensor]) -> Tensor:
        """What is made, of some rows `(b, *shape)`."""
        value = self.made.take(batch, "value")
        return value.reshape(len(value), *self.shape)

    def read_class(self, batch: Mapping[str, Tensor]) -> Tensor | None:
        """The class of each row (int64, b), where there are any."""
        return None if self.label is None else batch[f"target.{self.label.name}"].reshape(-1).long()

    def read_told(self, batch: Mapping[str, Tensor]) -> Tensor | None:
        """The numbers that each row is told (b, k), where there are any."""
        return torch.cat([as_numbers(each, batch) for each in self.told], dim=1) if self.told else None

    def read_beside(self, batch: Mapping[str, Tensor]) -> Tensor | None:
        """What each row is told place by place (b, channels, …), where there is any."""
        if not self.beside:
            return None
        return torch.cat([(value := each.take(batch, "value")).reshape(len(value), -1, *self.shape[1:]) for each in self.beside], dim=1)


def find_layout(spec: DataSpec, made: Sequence[str], told: Sequence[str]) -> Layout:
    """The parts that columns play; `spec.targets` holds the class. Raises ConfigError or DataError for columns that cannot play theirs."""
    piece = only_piece(spec, made)
    shape = shape_of(piece)
    pieces = [each for group in spec.inputs if (each := piece_of(group, told)) is not None]
    placed = [each for each in pieces if is_placed(each)]
    for each in placed:
        ensure_beside(each, shape)
    label = spec.targets[0] if spec.targets else None
    return Layout(piece, shape, label, [each for each in pieces if not is_placed(each)], placed)


def piece_of(group: InputGroup, columns: Sequence[str]) -> Piece | None:
    """The columns of a group that are among these; None where none is."""
    places = tuple(place for place, name in enumerate(group.columns) if name in columns)
    return Piece(group, places) if places else None


def only_piece(spec: DataSpec, made: Sequence[str]) -> Piece:
    """What is made, which is one array or several numbers of one type. Raises ConfigError."""
    found = [each for group in spec.inputs if (each := piece_of(group, made)) is not None]
    if len(found) == 1:
        return found[0]
    kinds = ", ".join(f"'{name}' ({each.group.kind})" for each in found for name in each.group.columns if name in made)
    why = f"one array is made at a time, or several columns of numbers as one vector, and these are {kinds}"
    raise ConfigError("several columns are to be made together", where="system.of", why=why, fix="name one of them: system.of=NAME")


def shape_of(piece: Piece) -> tuple[int, ...]:
    """The shape of one thing: (d,), (channels, time) or (channels, height, width). Raises DataError for rows of several lengths."""
    name, kind, parts = piece.group.columns[piece.places[0]], piece.group.kind, piece.group.parts
    shape = tuple(int(each) for each in parts["value"][1:])
    if kind in VECTORS:
        return (len(piece.places),) if not shape else (len(piece.places) * shape[0],)
    if "length" in parts:
        what = f"column '{name}' has rows of several lengths, and what is made has one"
        fix = f"cut or pad them to one length: columns.{name}.transform=[{{center_crop: {shape[-1] if shape else 1}}}]"
        raise DataError(what, where="system.of", fix=fix)
    if len(shape) > 3 or not shape:
        what = f"column '{name}' has arrays of {len(shape)} dimensions"
        why = "what is made is (values), (channels, time) or (channels, height, width)"
        raise DataError(what, where="system.of", why=why, fix="give each row as such an array")
    return (1, *shape) if len(shape) == 1 else shape


def is_placed(piece: Piece) -> bool:
    """Whether a column is an array with places rather than numbers."""
    return piece.group.kind not in VECTORS and len(piece.group.parts.get("value", ())) > 2


def ensure_beside(piece: Piece, shape: tuple[int, ...]) -> None:
    """Raise DataError for an array that has not the places of what is made."""
    found = tuple(piece.group.parts["value"][2:])
    if found != shape[1:]:
        name = piece.group.columns[piece.places[0]]
        what = f"'{name}' is {'×'.join(map(str, found))} and what is made {'×'.join(map(str, shape[1:])) or 'a vector'}"
        fix = f"give both one size (columns.{name}.size), or leave it out of condition"
        raise DataError(what, where="system.condition", why="it is told place by place", fix=fix)


def channels_of(piece: Piece) -> int:
    """How many channels an array that is told place by place has."""
    return len(piece.places) * piece.group.parts["value"][1]


def numbers_of(piece: Piece) -> int:
    """How many numbers a column that is told becomes."""
    if "index" in piece.group.parts:
        return sum(piece.group.sizes[place] for place in piece.places)
    if "tokens" in piece.group.parts or "value" not in piece.group.parts:
        name, kind = piece.group.columns[piece.places[0]], piece.group.kind
        fix = "give a vector column with an embedding of it, or leave it out of condition"
        raise ConfigError(f"'{name}' is a column of type {kind}, which cannot be told", where="system.condition", fix=fix)
    each = 1
    for side in piece.group.parts["value"][1:]:
        each *= side
    return len(piece.places) * each


def as_numbers(piece: Piece, batch: Mapping[str, Tensor]) -> Tensor:
    """The numbers of a column that is told (b, k): values as they are, categories one place for each."""
    if "index" not in piece.group.parts:
        return piece.take(batch, "value").flatten(1).float()
    index = piece.take(batch, "index").long()
    hot: list[Any] = [functional.one_hot(index[:, at], piece.group.sizes[place]) for at, place in enumerate(piece.places)]
    return torch.cat(hot, dim=1).float()

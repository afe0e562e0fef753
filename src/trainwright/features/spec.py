"""What a model must know of the encoded data: groups of inputs, targets, and how many rows train it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from trainwright.config.model import PartConfig


@dataclass(frozen=True)
class InputGroup:
    """Input columns that one encoder reads together.

    `parts` gives the shape of one row by part name: `value`, `missing`, `index`, `tokens`, `length`; the first axis is the column
    within the group. A batch holds each part as `"<name>.<part>"`.
    """

    name: str
    kind: str
    columns: list[str]
    encoder: PartConfig | None
    parts: dict[str, tuple[int, ...]]
    sizes: list[int] = field(default_factory=list)
    """Vocabulary size by column (category, set, bag, sequence, text), unknown and padding included."""
    extras: dict[str, Any] = field(default_factory=dict)
    """Lists by column. number: `quantiles` (49 ascending edges, in encoded units; equal edges where values repeat);
    date: `components` (names of the last axis of `value`). `indicators`: positions of the columns whose `missing` can be 1."""
    time_last: bool = False
    """Whether `value` is `(columns, channels, …, time)`, its sequences along the last axis; else along the first of a row."""
    tied: str | None = None
    """The name under which these columns share an encoder and its fitted statistics."""


@dataclass(frozen=True)
class TargetSpec:
    """A column to predict: its width, classes, weights and scale; a batch holds it as `"target.<name>"`."""

    name: str
    kind: str
    width: int
    classes: list[str] | None = None
    weight: float = 1.0
    loss: PartConfig | None = None
    decoder: PartConfig | None = None
    metrics: list[PartConfig] = field(default_factory=list)
    class_weights: list[float] | None = None
    """One weight per class, in the order of `classes` (set: the weight of a present label)."""
    scale: dict[str, Any] | None = None
    """number and vector: `{"mean", "std", "transform"}`; original = inverse_transform(encoded * std + mean), `log` is inverted by expm1."""
    threshold: float | str = 0.5
    """binary: the probability from which a row is called positive, or `tuned`."""
    positions: tuple[int, ...] = ()
    """Where each row has a class at every position (the pixels of a picture, the samples of a signal): their shape; else empty."""


@dataclass(frozen=True)
class DataSpec:
    """Everything a system needs to build its modules."""

    inputs: list[InputGroup]
    targets: list[TargetSpec]
    rows: int
    """Training rows."""

"""What became of every tensor when weights were loaded, in lists and in a few lines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

SHOWN = 5
"""Names in one line of the summary; the debug log has them all."""


@dataclass(frozen=True)
class Misfit:
    """A tensor whose shape or type in the source is not the model's."""

    name: str
    theirs: tuple[int, ...]
    """The shape in the source."""
    ours: tuple[int, ...]
    """The shape in the model."""
    why: str = ""
    """What else is wrong, where the shape is not."""

    def __str__(self) -> str:
        return f"{self.name} ({self.why})" if self.why else f"{self.name} has {shape(self.theirs)} there and {shape(self.ours)} here"


@dataclass
class WeightReport:
    """What `load_weights` did: names are the model's, except those of `unexpected` and the keys of `renamed`."""

    source: str
    """Where the weights came from."""
    loaded: list[str] = field(default_factory=list)
    """Tensors of the model that were given values, those tied to them included."""
    missing: list[str] = field(default_factory=list)
    """Tensors of the model that the source lacks; they are as they were."""
    unexpected: list[str] = field(default_factory=list)
    """Tensors of the source that the model lacks."""
    renamed: dict[str, str] = field(default_factory=dict)
    """Name in the source → name in the model, where they differ."""
    reshaped: list[Misfit] = field(default_factory=list)
    """Tensors that were loaded although dimensions of size 1 were added or taken off."""
    adapted: list[str] = field(default_factory=list)
    """What was done to tensors of another shape so that they fit, a line each; they are among `loaded`."""
    heads: dict[str, str] = field(default_factory=dict)
    """Layers at the end with another number of outputs → what differs, in words; their tensors are among `dropped`."""
    dropped: list[Misfit] = field(default_factory=list)
    """Tensors left out because their shape or type does not fit; the model's are as they were."""
    ignored: list[str] = field(default_factory=list)
    """Names that `ignore` left out."""
    notes: list[str] = field(default_factory=list)
    """What a person should know: prefixes taken off, numbers rounded, which file of a run was read."""
    numbers: int = 0
    """How many numbers were loaded."""
    architecture: str = ""
    """What the source says it is of: `BertForMaskedLM`, `resnet18`."""
    step: int | None = None
    """The step of the checkpoint, where the source says it."""
    epoch: int | None = None
    """Whole epochs done at that step, where the source says it."""

    @property
    def complete(self) -> bool:
        """Whether every tensor of both sides found its place."""
        return not (self.missing or self.unexpected or self.dropped)

    def summary(self) -> str:
        """The outcome in a few lines."""
        total = len(self.loaded) + len(self.missing) + len(self.dropped)
        place = "".join(f", {word} {value}" for word, value in (("step", self.step), ("epoch", self.epoch)) if value is not None)
        lines = [f"weights from {self.source}: {len(self.loaded)} of {total} tensors loaded ({self.numbers:,} numbers){place}"]
        lines += [f"  adapted: {each}" for each in self.adapted]
        lines += [f"  replaced: {each}" for each in self.heads.values()]
        lines += [f"  {what} ({len(names)}): {list_names(names)}" for what, names in self._groups() if names]
        return "\n".join([*lines, *(f"  note: {each}" for each in self.notes)])

    def details(self) -> str:
        """Every name, one a line."""
        lines = [f"loaded: {name}" for name in self.loaded]
        lines += [*(f"adapted: {each}" for each in self.adapted), *(f"replaced: {each}" for each in self.heads.values())]
        return "\n".join([*lines, *(f"{what}: {name}" for what, names in self._groups() for name in names)])

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON can hold it."""
        return asdict(self)

    def _groups(self) -> list[tuple[str, list[str]]]:
        return [
            ("missing, left as they were", self.missing),
            ("unexpected, left out", self.unexpected),
            ("dropped", [str(each) for each in self.dropped if each.name.rpartition(".")[0] not in self.heads]),
            ("reshaped", [str(each) for each in self.reshaped]),
            ("renamed", [f"{old} → {new}" for old, new in self.renamed.items()]),
            ("ignored", self.ignored),
        ]


def list_names(names: Sequence[str]) -> str:
    """The first few names, and how many more there are."""
    more = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {more} more" if more > 0 else "")


def shape(size: Sequence[int]) -> str:
    """A shape as Python writes it: `(10, 512)`, `(10,)`, `()` for a single number."""
    return str(tuple(size))

"""What an inspection found, as plain data that JSON can hold and bring back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

FORMAT = 1
MEGABYTE = 1e6


@dataclass
class Row:
    """One layer: a module at one place of the tree, everything inside it included in its numbers."""

    path: str
    """Its dotted name; empty for the model itself."""
    kind: str
    """Its class."""
    depth: int
    output: str = ""
    """What it gave, in shapes: `2×16×8×8`, `(2×5×8, (1×2×8, 1×2×8))`; empty when it was not called."""
    shapes: list[list[int]] = field(default_factory=list)
    """The shapes of the tensors in its output, in order."""
    parameters: int = 0
    trainable: int = 0
    """Parameters that ask for a gradient."""
    parameter_share: float = 0.0
    """Of all parameters, 0 to 1."""
    mult_adds: int = 0
    mult_add_share: float = 0.0
    calls: int = 0
    notes: list[str] = field(default_factory=list)
    """What is special: shared, never called, lazy, hooks, parametrizations."""

    @property
    def name(self) -> str:
        """The last part of its path."""
        return self.path.rpartition(".")[2]

    @property
    def trained(self) -> str:
        """`yes`, `no` or `part` of its parameters are trainable; `–` without parameters."""
        return "–" if not self.parameters else "no" if not self.trainable else "yes" if self.trainable == self.parameters else "part"


@dataclass
class Buffer:
    """A tensor that a module keeps and does not learn."""

    name: str
    shape: list[int]
    dtype: str
    persistent: bool
    """Whether it is saved with the weights."""
    bytes: int


@dataclass
class Totals:
    """Numbers of the whole model; bytes are those of the tensors themselves."""

    parameters: int = 0
    trainable: int = 0
    buffers: int = 0
    """Elements in all buffers."""
    mult_adds: int = 0
    """For all rows of the example together."""
    input_bytes: int = 0
    forward_backward_bytes: int = 0
    """Outputs of the layers that have parameters, twice: once for the values, once for their gradients."""
    parameter_bytes: int = 0
    buffer_bytes: int = 0

    @property
    def frozen(self) -> int:
        """Parameters that are not trained."""
        return self.parameters - self.trainable

    @property
    def total_bytes(self) -> int:
        """Input, forward and backward pass, and parameters."""
        return self.input_bytes + self.forward_backward_bytes + self.parameter_bytes

    def megabytes(self) -> dict[str, float]:
        """The memory in MB (1,000,000 bytes), by what it holds."""
        found = {
            "input": self.input_bytes,
            "forward_backward": self.forward_backward_bytes,
            "parameters": self.parameter_bytes,
            "total": self.total_bytes,
        }
        return {name: size / MEGABYTE for name, size in found.items()}


@dataclass
class Node:
    """A call in the graph: of a module (with the calls inside it), of a function that joins two results, or the input or output itself."""

    number: int
    kind: str
    """`module`, `operation`, `input` or `output`."""
    name: str
    class_name: str = ""
    output: str = ""
    parameters: int = 0
    children: list[Node] = field(default_factory=list)
    repeat: int = 1
    """How many equal calls, one after the other, this one stands for."""
    guessed: bool = False
    """Whether what it was given could not be followed, so that it is only said to come after the call before it."""

    def inside(self) -> Iterable[Node]:
        """Itself and every call inside it."""
        yield self
        for each in self.children:
            yield from each.inside()


@dataclass
class Flow:
    """How data flow: the calls of one forward pass in order, and which call's result went into which."""

    nodes: list[Node] = field(default_factory=list)
    edges: list[tuple[int, int]] = field(default_factory=list)
    """Pairs of node numbers (from, to)."""


@dataclass
class Inspection:
    """The layers of a model as a tree, the totals, and how data flow through it; printed, it is a table."""

    name: str
    rows: list[Row]
    totals: Totals
    buffers: list[Buffer] = field(default_factory=list)
    example: dict[str, str] = field(default_factory=dict)
    """What it was run on: input → shape; empty when it was not run."""
    flow: Flow = field(default_factory=Flow)
    notes: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        from trainwright.nn.inspection.tree import table

        return table(self)

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain data; `from_dict` takes it back."""
        made = {"format": FORMAT, **asdict(self)}
        made["totals"] |= {"frozen": self.totals.frozen, "megabytes": self.totals.megabytes()}
        made["flow"]["edges"] = [list(each) for each in self.flow.edges]
        return made

    @classmethod
    def from_dict(cls, given: Mapping[str, Any]) -> Inspection:
        """The inspection that `to_dict` wrote; raises ValueError for anything else."""
        from pydantic import TypeAdapter  # 0.06 s, which only reading one needs

        if given.get("format") != FORMAT:
            raise ValueError(f"the format is {given.get('format')!r}, not {FORMAT}")
        return TypeAdapter(cls).validate_python(dict(given))

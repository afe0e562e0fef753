"""What a record of an inspection is made of: layers, buffers, totals, and the calls of one forward pass."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

MEGABYTE = 1e6


@dataclass
class LayerRow:
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
class FlowNode:
    """A call in the graph: of a module (with the calls inside it), of a function that joins two results, or the input or output itself."""

    number: int
    kind: str
    """`module`, `operation`, `input` or `output`."""
    name: str
    class_name: str = ""
    output: str = ""
    parameters: int = 0
    children: list[FlowNode] = field(default_factory=list)
    repeat: int = 1
    """How many equal calls, one after the other, this one stands for."""
    guessed: bool = False
    """Whether what it was given could not be followed, so that it is only said to come after the call before it."""

    def inside(self) -> Iterable[FlowNode]:
        """Itself and every call inside it."""
        yield self
        for each in self.children:
            yield from each.inside()


@dataclass
class Flow:
    """How data flow: the calls of one forward pass in order, and which call's result went into which."""

    nodes: list[FlowNode] = field(default_factory=list)
    edges: list[tuple[int, int]] = field(default_factory=list)
    """Pairs of node numbers (from, to)."""

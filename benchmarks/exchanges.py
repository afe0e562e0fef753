"""What the processes of a run send each other in a step, strategy by strategy: arithmetic, which `counted_exchanges` holds against a count.

Bytes are those of one process: what it sends, and receives as much of. A ring moves 2 (n - 1) / n of a tensor for an all-reduce,
(n - 1) / n for a gather, a reduce-scatter, and on the average of its processes for a broadcast.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

FULL, HALF = 4, 2
"""Bytes of a number: float32, bfloat16."""


@dataclass(frozen=True)
class Net:
    """Blocks of one size and what is round them, as strategies see it."""

    blocks: int
    split: int
    """Parameters of a block in the layers that `tp` splits."""
    whole: int
    """The others of a block."""
    rest: int
    """Parameters outside the blocks."""
    tensors: int
    """How many parameters they are, as tensors."""
    largest: int
    """Values of the largest of them."""
    passed: int
    """Values that one row has between two layers: positions × width."""
    entries: int
    """Split layers of a block that take whole inputs: the gradients of these are summed."""
    exits: int
    """Split layers of a block that give whole outputs, which are summed."""

    @property
    def parameters(self) -> int:
        return self.blocks * (self.split + self.whole) + self.rest

    def held(self, tp: int) -> int:
        """Parameters of one process where layers are split over `tp`."""
        return self.blocks * self.block(tp) + self.rest

    def block(self, tp: int) -> int:
        return self.split // tp + self.whole


@dataclass(frozen=True)
class Layout:
    """A strategy and its mesh."""

    kind: str
    replicate: int = 1
    shard: int = 1
    tp: int = 1

    @property
    def size(self) -> int:
        return self.replicate * self.shard * self.tp

    @property
    def data_size(self) -> int:
        return self.replicate * self.shard


@dataclass(frozen=True)
class Work:
    """How a step is fed: rows of all processes, in so many rounds of pieces, and in which formats numbers travel."""

    rows: int
    rounds: int = 1
    gathered: int = FULL
    """Bytes of a value of a group's weights when it is gathered; gradients travel as float32."""
    activations: int = FULL
    """Bytes of a value between layers."""


@dataclass(frozen=True)
class Exchange:
    """One kind of exchange of a step, and how often it happens."""

    kind: str
    what: str
    part: str
    """`block`, `rest`, or `all`."""
    whole: float
    """Bytes of the whole tensor: what a gather gives, what a reduction takes."""
    among: int
    stride: int
    """How far apart the ranks are that take part."""
    times: int = 1

    def sent(self, gloo: bool = False) -> float:
        """Bytes that a process sends for all of them. gloo has no reduce-scatter: it sums everything everywhere and keeps a part."""
        share = (self.among - 1) / self.among
        twice = self.kind == "all_reduce" or (gloo and self.kind == "reduce_scatter")
        return self.times * self.whole * share * (2 if twice else 1)

    @property
    def hops(self) -> int:
        """Messages one after the other, all times."""
        return self.times * (self.among - 1) * (2 if self.kind == "all_reduce" else 1)


def exchanges_of(net: Net, layout: Layout, work: Work) -> list[Exchange]:
    """What a step of the layout exchanges, but for the few numbers that it decides by."""
    found = [*_of_split_layers(net, layout, work), *(_of_groups if layout.kind == "fsdp" else _of_replicas)(net, layout, work)]
    return [each for each in found if each.among > 1 and each.times]


def _of_replicas(net: Net, layout: Layout, work: Work) -> Iterator[Exchange]:
    """`ddp`, `zero` and the replicas of `tp`: gradients in one exchange after the last backward pass."""
    whole, among, stride = net.held(layout.tp) * FULL, layout.replicate, layout.tp
    yield Exchange("all_reduce", "gradients", "all", whole, among, stride)
    if layout.kind == "zero":
        owners = min(among, net.tensors)
        yield Exchange("broadcast", "weights", "all", whole / owners, among, stride, owners)


def _of_groups(net: Net, layout: Layout, work: Work) -> Iterator[Exchange]:
    """`fsdp`: weights of a group before each of its passes, its gradients after the last backward pass."""
    block, gathers = net.block(layout.tp), 2 * work.rounds
    shard, tp = layout.shard, layout.tp
    yield Exchange("all_gather", "weights", "block", block * work.gathered, shard, tp, gathers * net.blocks)
    yield Exchange("all_gather", "weights", "rest", net.rest * FULL, shard, tp, gathers)
    yield Exchange("reduce_scatter", "gradients", "block", block * FULL, shard, tp, net.blocks)
    yield Exchange("reduce_scatter", "gradients", "rest", net.rest * FULL, shard, tp)
    yield Exchange("all_reduce", "gradients", "block", block * FULL / shard, layout.replicate, tp * shard, net.blocks)
    yield Exchange("all_reduce", "gradients", "rest", net.rest * FULL / shard, layout.replicate, tp * shard)


def _of_split_layers(net: Net, layout: Layout, work: Work) -> Iterator[Exchange]:
    """`tp`: sums of outputs in the forward pass, of gradients of inputs in the backward pass."""
    rows = work.rows / layout.data_size / work.rounds
    times = work.rounds * net.blocks * (net.entries + net.exits)
    yield Exchange("all_reduce", "activations", "all", rows * net.passed * work.activations, layout.tp, 1, times)


def by_kind(exchanges: list[Exchange], gloo: bool = False) -> dict[str, float]:
    """Bytes that a process sends in a step, for each kind."""
    found: dict[str, float] = {}
    for each in exchanges:
        found[each.kind] = found.get(each.kind, 0.0) + each.sent(gloo)
    return found

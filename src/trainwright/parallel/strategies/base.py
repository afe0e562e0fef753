"""What a step asks of the processes of a run; here the answers of one process by itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, ClassVar, NamedTuple

from torch import Tensor, nn

from trainwright.parallel.world import World

Count = int | Tensor
"""Items of a piece: a number, or a scalar on the device."""
ALONE: AbstractContextManager[None] = nullcontext()


class Shard(NamedTuple):
    """The part of a tensor that a process holds."""

    shape: tuple[int, ...]
    """Of the whole tensor."""
    offsets: tuple[int, ...]
    """Where the part begins in each dimension."""


class Summed(NamedTuple):
    """What all pieces of a step gave together."""

    items: Count
    """Over all pieces."""
    made: int
    """Pieces that gave a loss; 1 at least, where to know the number would wait for the device."""
    left_out: bool = False
    """Whether a process wants the batch to make no step."""


class Strategy:
    """How a step runs over the processes of a run. This one is a process by itself, which exchanges nothing.

    `data_rank` of `data_size` is the share of the rows that this process takes: those that hold parts of one replica take the same.
    """

    name: ClassVar[str] = "single"
    moves_together: bool = False
    """Whether forward passes hold exchanges, so that a process without rows must make them too."""
    weight: float = 1.0
    """The part of the step's rows that this process has, where a system steps by itself."""
    asks: bool = False
    """Whether this process has something to tell the others, which goes along with the next exchange of gradients."""
    shares_state: bool = False
    """Whether a process holds parameters, or state of them, that others do not have: each then writes its part of a checkpoint."""
    deals_model: ClassVar[bool] = False
    """Whether a process holds parts of parameters."""
    deals_optimizer: ClassVar[bool] = False
    """Whether each process updates parameters of its own, as `trainwright.optim.dealt` has it."""
    in_order: bool = False
    """Whether pieces are dealt and added one by one."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.data_rank, self.data_size = 0, 1

    @property
    def data_world(self) -> World:
        """Processes of which each takes rows of its own, and which take all rows together: those of one part of every replica."""
        return self.world

    def place(self, system: nn.Module) -> None:
        """Give the processes the weights and buffers of rank 0, or a part of them each; called once, before an optimizer is made."""

    def trained(self, system: nn.Module) -> nn.Module:
        """The module whose parameters are optimized, averaged and clipped: plain tensors, which may be parts of the system's."""
        return system

    def begin_step(self) -> None:
        """A gradient begins, anew where it is made again."""

    def micro_batch(self, last: bool, counts: bool) -> AbstractContextManager[None]:
        """Around the forward and backward pass of a piece; `last`: of this process in this step. `counts`: whether it is of the step."""
        return ALONE

    def end_piece(self, parameters: Sequence[nn.Parameter]) -> None:
        """A piece went backwards."""

    def reduce(self, parameters: Sequence[nn.Parameter], counts: Sequence[Count | None], pieces: int, left_out: bool = False) -> Summed:
        """Sum the gradients of a step over all processes, in place, and the items.

        `counts`: those of the pieces made here, None for one that gave no loss; `pieces`: of the whole step, over all processes.
        `left_out`: whether the batch is to make no step.
        """
        return sum_counts(counts, left_out)

    def take_told(self) -> bool | None:
        """Whether any process had something to tell in the exchange before; None where there was none since this was asked."""
        return None

    def share_gradients(self, parameters: Sequence[nn.Parameter]) -> None:
        """Sum gradients over all processes, each times `weight`, in place, where a system steps by itself."""

    def sum_weighed(self, loss: Any) -> Any:
        """The loss of the whole step from what each process has of it, where a system steps by itself."""
        return loss

    def weights_inside(self, weights: Mapping[str, Tensor]) -> AbstractContextManager[None] | None:
        """Other weights, by name and as `trained` has them, in the system for a while; None where its own may be exchanged for them."""
        return None

    def shard_of(self, name: str, tensor: Tensor) -> Shard | None:
        """Which part of the whole tensor `name` this one is; None where every process has all of it."""
        return None

    def tensors(self) -> dict[str, Tensor]:
        """What this process remembers from step to step, for a checkpoint."""
        return {}

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Take back what `tensors` gave in this process; empty where so many processes did not write it."""

    def describe(self) -> str:
        """What is said before the first step; nothing for one process."""
        return ""

    def release(self, system: nn.Module, whole: bool = True) -> None:
        """The run is over: leave the groups of processes that were made; the system is by itself again, as it was before `place`.

        `whole`: with all of its weights, where all processes call this together; a process that ends by an error calls it alone.
        """


def sum_counts(counts: Sequence[Count | None], left_out: bool) -> Summed:
    """The items of some pieces, added one by one."""
    made = [each for each in counts if each is not None]
    return Summed(sum(made), len(made), left_out)

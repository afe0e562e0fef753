"""The world of a run: its processes, and the few ways in which they come to one answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from torch import Tensor

    from trainwright.parallel.board import Board

T = TypeVar("T")
N = TypeVar("N", int, float, "Tensor")


class World:
    """The processes of a run; this class is the world of one process, where every answer is the question itself.

    Each method is called by all processes at the same place in the same order, and gives all of them the same answer. What every process
    contributes is combined in the order of ranks, so that an answer is the same to the last bit however they were scheduled.
    """

    rank: int = 0
    """Which of the processes this is, from 0 on."""
    size: int = 1
    """How many there are."""
    local_rank: int = 0
    """Which of those on this machine this is."""
    local_size: int = 1
    """How many of them are on this machine."""
    gpu: int = 0
    """Which of the GPUs that this process sees is its own."""

    @property
    def is_main(self) -> bool:
        """Whether this is rank 0, which writes, shows and decides by the clock."""
        return self.rank == 0

    def sum(self, value: N) -> N:
        """The sum of a number, or of tensors of one shape, over all processes, added in the order of ranks."""
        return value

    def min(self, value: N) -> N:
        """The smallest of a number, or, entry by entry, of tensors of one shape, over all processes."""
        return value

    def any(self, value: bool) -> bool:
        """Whether it is so for any of the processes."""
        return bool(value)

    def gather(self, value: T) -> list[T]:
        """What each process gave, in the order of ranks; tensors may differ in shape."""
        return [value]

    def broadcast(self, value: T) -> T:
        """What rank 0 gave; what the others gave is not looked at."""
        return value

    def first(self, make: Callable[[], T], *, patient: bool = False) -> T:
        """What `make` gives on rank 0, the only one that calls it. An error there is raised by all.

        With `patient` the others wait for it however long it takes.
        """
        return make()

    def barrier(self, *, patient: bool = False) -> None:
        """Return when all processes have come here; with `patient` however long that takes."""

    def start_gather(self, values: Sequence[float]) -> Gathering:
        """Begin to gather a few float64 numbers, as many from each process, without waiting for the others."""
        return Gathering([list(values)])

    def beside(self) -> World:
        """The same processes over a group of its own, for what a thread beside training asks; all of them ask for it at the same place."""
        return self

    def open_board(self) -> Board | None:
        """A new board for what each process tells of itself, to be read at any time; None for one process, which has nobody to tell."""
        return None

    def close(self) -> None:
        """Leave the world."""


class Gathering:
    """Numbers of all processes, on their way."""

    def __init__(self, found: list[list[float]]) -> None:
        self._found = found

    def read(self) -> list[list[float]]:
        """What each process gave, in the order of ranks; waits for those that have not given it yet."""
        return self._found

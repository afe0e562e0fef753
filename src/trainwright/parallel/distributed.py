"""A world of several processes, over a gloo group of `torch.distributed`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from functools import reduce
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from trainwright.config.errors import TrainwrightError
from trainwright.parallel.board import Board
from trainwright.parallel.failures import RankLost
from trainwright.parallel.flight import switch_on
from trainwright.parallel.world import Gathering, N, T, World

TIMEOUT = 1800.0
"""Seconds after which a process waits no longer for the others: those of torch for gloo."""
PATIENCE = timedelta(days=30)
"""How long the others wait for what rank 0 does alone, such as to measure and report; one that has ended is told at once."""


class DistributedWorld(World):
    """The processes that met in a gloo group, on one machine or several.

    Gloo also where gradients go over another backend: what is decided here are a few numbers of the host. Every method raises
    TrainwrightError when another process has left.
    """

    def __init__(self, group: Any = None, *, local_rank: int | None = None, local_size: int | None = None) -> None:
        """`group`: a gloo group that was made already, the default one unless given. All are on one machine unless given."""
        self._group = group
        self._own, self._timeout, self._boards = False, TIMEOUT, 0
        self._beside: DistributedWorld | None = None
        self._patient: Any = None
        self.rank, self.size = dist.get_rank(group), dist.get_world_size(group)
        self.local_rank = self.gpu = self.rank if local_rank is None else local_rank
        self.local_size = self.size if local_size is None else local_size

    @classmethod
    def join(cls, meeting: str, rank: int, size: int, *, local_rank: int | None = None, timeout: float = TIMEOUT) -> DistributedWorld:
        """Meet the other processes at `meeting`: `env://`, `tcp://HOST:PORT` or `file:///PATH`. `timeout`: seconds of any wait."""
        switch_on()
        with others_present():
            dist.init_process_group("gloo", init_method=meeting, rank=rank, world_size=size, timeout=timedelta(seconds=timeout))
        made = cls(local_rank=local_rank)
        made._own, made._timeout = True, timeout
        return made

    @property
    def group(self) -> Any:
        """The gloo group of these processes, the default one where None."""
        return self._group

    def sum(self, value: N) -> N:
        """As in `World`; a tensor is summed in its own type, a number as int64 or float64."""
        return self._reduce(value, torch.add)

    def min(self, value: N) -> N:
        """As in `World`."""
        return self._reduce(value, torch.minimum)

    def any(self, value: bool) -> bool:
        """As in `World`."""
        return any(bool(each) for each in self._alike(torch.tensor(bool(value))))

    def gather(self, value: T) -> list[T]:
        """As in `World`."""
        found: list[Any] = [None] * self.size
        with others_present():
            dist.all_gather_object(found, _on_host(value), group=self._group)
        return found

    def broadcast(self, value: T) -> T:
        """As in `World`."""
        return self._broadcast(value, self._group)

    def _broadcast(self, value: T, group: Any) -> T:
        sent: list[Any] = [_on_host(value) if self.is_main else None]
        with others_present():
            dist.broadcast_object_list(sent, group=group, group_src=0)
        return sent[0]

    def _patient_group(self) -> Any:
        if self._patient is None:
            with others_present():
                ranks = None if self._group is None else dist.get_process_group_ranks(self._group)
                self._patient = dist.new_group(ranks, timeout=PATIENCE, backend="gloo")
        return self._patient

    def first(self, make: Callable[[], T], *, patient: bool = False) -> T:
        """As in `World`; of errors, those are raised by all that a run foresees: TrainwrightError and OSError."""
        group = self._patient_group() if patient else self._group
        made, error = None, None
        if self.is_main:
            try:
                made = make()
            except (TrainwrightError, OSError) as raised:
                error = raised
        made, told = self._broadcast((made, error), group)
        if told is not None:
            raise told
        return made  # type: ignore[return-value]

    def barrier(self, *, patient: bool = False) -> None:
        """As in `World`."""
        group = self._patient_group() if patient else self._group
        with others_present():
            dist.barrier(group=group)

    def start_gather(self, values: Sequence[float]) -> Gathering:
        """As in `World`."""
        mine = torch.tensor(list(values), dtype=torch.float64)
        found = [torch.empty_like(mine) for _ in range(self.size)]
        with others_present():
            work = dist.all_gather(found, mine, group=self._group, async_op=True)
        return _Underway(work, found)

    def beside(self) -> DistributedWorld:
        """As in `World`; made once."""
        if self._beside is None:
            ranks = dist.get_process_group_ranks(self._group)
            with others_present():
                group = dist.new_group(ranks, timedelta(seconds=self._timeout), "gloo", use_local_synchronization=True)
            self._beside = DistributedWorld(group, local_rank=self.local_rank)
        return self._beside

    def open_board(self) -> Board | None:
        """As in `World`, on the store that the processes met in."""
        self._boards += 1  # they ask for boards in the same order
        return Board(self._group, str(self._boards))

    def close(self) -> None:
        """Leave the group that `join` made, and the one beside it."""
        if self._own:
            dist.destroy_process_group()
        elif self._beside is not None:
            self._beside = dist.destroy_process_group(self._beside._group)

    def _reduce(self, value: N, combined: Callable[[Tensor, Tensor], Tensor]) -> N:
        if isinstance(value, Tensor):
            mine = value.detach().to("cpu")
            return reduce(combined, self._alike(mine)).to(value.device)
        mine = torch.tensor(value, dtype=torch.float64 if isinstance(value, float) else torch.int64)
        return type(value)(reduce(combined, self._alike(mine)).item())

    def _alike(self, mine: Tensor) -> list[Tensor]:
        """Tensors of one shape from every process, in the order of ranks; no reduction of gloo's, whose order is its own."""
        found = [torch.empty_like(mine) for _ in range(self.size)]
        with others_present():
            dist.all_gather(found, mine.contiguous(), group=self._group)
        return found


class _Underway(Gathering):
    def __init__(self, work: Any, found: list[Tensor]) -> None:
        self._work, self._tensors = work, found

    def read(self) -> list[list[float]]:
        with others_present():
            self._work.wait()
        return [each.tolist() for each in self._tensors]


@contextmanager
def others_present() -> Iterator[None]:
    """Say in words that another process has left, or never came. Raises RankLost for it."""
    try:
        yield
    except RuntimeError as error:
        why, fix = str(error).splitlines()[0], "act on what the first of the other processes to end has said"
        raise RankLost("another process of this run has ended, or did not come in time", why=why, fix=fix) from error


def _on_host(value: Any) -> Any:
    return value.detach().to("cpu") if isinstance(value, Tensor) else value

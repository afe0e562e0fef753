"""A metric of all rows of a split of which each process measures some batches: the same to the last bit at any number of processes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from trainwright.engine.system import Batch, change_tensors
from trainwright.metrics.base import Metric
from trainwright.parallel.world import World

Show = Callable[[dict[str, Tensor], Batch], None]
ROUNDS = 16
"""Rounds of batches whose sums are exchanged at once."""


@dataclass(frozen=True)
class Turns:
    """Which batches of a split this process measures: of every `size` number `rank`."""

    rank: int = 0
    size: int = 1
    together: bool = False
    """Whether a process without a batch in the last round goes through one all the same."""


class JointMetric:
    """Shows a metric the batches of all processes, in their order.

    Each process sums its own batch up in a metric that has seen nothing, and the sums are joined in the order of batches, as one process
    adds them. What holds more than its state tells is shown the outputs themselves.
    """

    def __init__(self, metric: Metric, show: Show, new: Callable[[], Metric], world: World, turns: Turns, batches: int) -> None:
        """`show`: shows the metric the outputs of a batch. `new`: makes a metric like it. `batches`: of the split."""
        self.metric, self._show, self._new, self._world, self._turns, self._batches = metric, show, new, world, turns, batches
        self._by_state = metric.emptied_by_load
        self._own: list[list[Any]] = [[]]
        """Of each round the outputs, or sums, of the batch measured here, in as many parts as memory made of it."""
        self._rounds = 0

    def take_in(self, outputs: dict[str, Tensor], batch: Batch) -> None:
        """Take in what a batch measured here gave."""
        if not self._by_state:
            self._own[-1].append((change_tensors(outputs, lambda each: each.to("cpu")), change_tensors(batch, lambda each: each.to("cpu"))))
            return
        piece = self._new()
        piece.update(outputs, batch)
        self._own[-1].append({name: tensor.to("cpu") for name, tensor in piece.tensors().items()})

    def end_round(self) -> None:
        """All processes have measured their batch of a round."""
        self._rounds += 1
        last = self._rounds * self._turns.size >= self._batches
        if last or not self._by_state or self._rounds % ROUNDS == 0:
            self._join()
        else:
            self._own.append([])

    def _join(self) -> None:
        told = self._world.gather(self._own)
        for number in range(len(self._own)):
            for theirs in told:
                for part in theirs[number]:
                    self._take_part(part)
        self._own = [[]]

    def _take_part(self, part: Any) -> None:
        if not self._by_state:
            self._show(*part)
            return
        other = self._new()
        other.load(part)
        self.metric.merge([other])

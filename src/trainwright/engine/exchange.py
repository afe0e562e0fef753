"""Other weights inside a system for a while, however its own are held."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from torch import Tensor

from trainwright.engine.system import System
from trainwright.optim.swap import weights_inside
from trainwright.parallel.strategies.base import Strategy


@dataclass(frozen=True)
class Exchange:
    """The system of a run, and the strategy that may have dealt its weights over processes."""

    system: System
    strategy: Strategy

    @contextmanager
    def weights_inside(self, weights: Mapping[str, Tensor]) -> Iterator[None]:
        """The system with `weights` by name, as the strategy's mirror of it has them, and with its own afterwards."""
        dealt = self.strategy.weights_inside(weights)
        if dealt is None:
            with weights_inside(self.system, weights):
                yield
            return
        buffers = {name for name, _ in self.system.named_buffers(remove_duplicate=False)}
        with dealt, weights_inside(self.system, {name: each for name, each in weights.items() if name in buffers}):
            yield

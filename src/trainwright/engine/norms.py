"""Batch norms of a system while several processes train it: over the rows of all, or each over its own, and equal where it is measured."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from trainwright.engine.plan import Plan
from trainwright.parallel.buffers import settle_buffers
from trainwright.parallel.strategies.base import Strategy

if TYPE_CHECKING:
    import torch

    from trainwright.engine.system import System
    from trainwright.parallel.batch_norm import Together

log = logging.getLogger("trainwright.engine")

ALONE: AbstractContextManager[None] = nullcontext()


class Norms:
    """Which layers normalise over all processes, and when; nothing for one process."""

    def __init__(self, system: System, asked: str, strategy: Strategy, device: torch.device) -> None:
        """`asked`: `sync` or `local`; layers of torch's SyncBatchNorm are synchronised either way. Forward passes then hold exchanges."""
        self._system, self._strategy = system, strategy
        self._together: Together | None = None
        several = strategy.data_size > 1
        self.layers = [each for each in system.modules() if several and isinstance(each, _BatchNorm) and is_synchronised(each, asked)]
        if self.layers:
            from trainwright.parallel.batch_norm import Together, normalising_group

            self._together = Together(normalising_group(strategy.data_world, device))
            strategy.moves_together = True

    @contextmanager
    def inside(self) -> Iterator[None]:
        """The layers do so while a run goes on."""
        if self._together is None:
            yield
            return
        from trainwright.parallel.batch_norm import synchronise_norms

        with synchronise_norms(self.layers, self._together) as left:
            if left:
                names = {id(each): name for name, each in self._system.named_modules()}
                named = ", ".join(names[id(each)] for each in left)
                log.warning("%s normalises over the rows of each process alone: it has a forward pass of its own", named)
            yield

    def in_step(self, counts: bool) -> AbstractContextManager[None]:
        """Around a forward and backward pass that all processes make; `counts`: whether its rows are of the step."""
        if self._together is None:
            return ALONE
        from trainwright.parallel.batch_norm import in_step

        return in_step(self._together, counts)

    def settle(self) -> None:
        """Make buffers equal on all processes, before they are measured with or saved."""
        taken = settle_buffers(self._system, self._strategy.world)
        if taken and self._system.say_once("buffers that differ"):
            log.warning("buffers differ over processes, and become those of rank 0: %s", ", ".join(taken[:6]))

    def describe(self, plan: Plan) -> str:
        """What is said before the first step of layers that see part of a batch at a time; nothing where there are none."""
        if self._strategy.data_size == 1 or plan.ready:
            return ""
        at_once = min(plan.micro_batch_size * self._strategy.data_size, plan.batch_size)
        if self.layers:
            return f"{count_norms(len(self.layers))} {at_once} of {plan.batch_size} rows at a time, over all processes"
        layers = sum(isinstance(each, _BatchNorm) for each in self._system.modules())
        if not layers:
            return ""
        seen = min(plan.micro_batch_size, plan.batch_size)
        return f"{count_norms(layers)} {seen} of {plan.batch_size} rows; trainer.strategy.batch_norm: sync makes ranks agree"


def is_synchronised(layer: _BatchNorm, asked: str) -> bool:
    """Whether a layer normalises over all processes."""
    return asked == "sync" or isinstance(layer, nn.SyncBatchNorm)


def count_norms(layers: int) -> str:
    """`3 BatchNorm layers see`."""
    return "1 BatchNorm layer sees" if layers == 1 else f"{layers} BatchNorm layers see"

"""Batch norm over the rows that all processes have at a time, as if one had them all."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from trainwright.parallel.distributed import others_present
from trainwright.parallel.world import World

FORWARDS = (_BatchNorm.forward, nn.SyncBatchNorm.forward)
"""What a layer does that may be done over all processes; a class with a forward of its own is left as it is."""


@dataclass
class Together:
    """The processes that normalise together, and whether they do so now."""

    group: Any
    """Those of the strategy that have different rows; None for the default group."""
    on: bool = False
    """In a training step; a layer normalises by its own rows elsewhere, where processes do not come to it at the same time."""
    counted: bool = True
    """Whether this process has rows of its own now, not those of another that it repeats to take part."""


class AllReduce(torch.autograd.Function):
    """The sum over processes of what each has; its own derivative, so that gradients of gradients are right too."""

    @staticmethod
    def forward(context: Any, value: Tensor, group: Any) -> Tensor:
        """The sum; every process of `group` comes here."""
        context.group = group
        total = value.clone()
        with others_present():
            dist.all_reduce(total, group=group)
        return total

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor, None]:
        """What each process depends on it with, added up."""
        return _sum_over(gradient.contiguous(), context.group), None


def _sum_over(value: Tensor, group: Any) -> Tensor:
    apply: Callable[..., Tensor] = AllReduce.apply
    return apply(value, group)


@contextmanager
def synchronise_norms(layers: Sequence[_BatchNorm], together: Together) -> Iterator[list[_BatchNorm]]:
    """The layers normalise over `together`; yields those that cannot, for they have a forward of their own.

    A layer keeps its parameters, buffers, hooks and names: only its class is another one, and its own again afterwards.
    """
    taken = [each for each in layers if type(each).forward in FORWARDS]
    try:
        for each in taken:
            each.__dict__["_together"] = together
            each.__class__ = over_processes(type(each))  # type: ignore[arg-type]
        yield [each for each in layers if "_together" not in each.__dict__]
    finally:
        for each in taken:
            each.__dict__.pop("_together", None)
            if isinstance(each, _OverProcesses):  # else somebody has put back its class
                each.__class__ = type(each).__bases__[1]


def normalising_group(world: World, device: torch.device) -> Any:
    """The group over which statistics go: that of the world, over NCCL between GPUs."""
    group = getattr(world, "group", None)
    if device.type != "cuda":
        return group
    return dist.new_group(dist.get_process_group_ranks(group), backend="nccl", use_local_synchronization=True)


@cache
def over_processes(kind: type) -> type:
    """The class of a layer, and what it does over processes in the place of its forward."""
    return type(kind.__name__, (_OverProcesses, kind), {"__module__": kind.__module__})


def bare(kind: Any) -> Any:
    """A layer that has nothing yet, which a copy is made in."""
    return kind.__new__(kind)


class _OverProcesses(_BatchNorm):
    """The forward pass of a batch norm over several processes."""

    _together: Together

    def forward(self, input: Tensor) -> Tensor:
        """As torch's, with the mean and the variance over the rows (b) of all processes; input b c or b c *."""
        self._check_input_dim(input)  # type: ignore[no-untyped-call]
        by_rows = self.training or self.running_mean is None
        if not (by_rows and self._together.on):
            return self._alone(input)
        count, mean, variance = moments(input, self._together)
        if self.training and self.track_running_stats:
            self._follow(count, mean.detach(), variance.detach())
        shape = [1, -1, *[1] * (input.dim() - 2)]
        scale = torch.rsqrt(variance + self.eps)
        scale = scale if self.weight is None else scale * self.weight
        found = (input.to(mean.dtype) - mean.view(shape)) * scale.view(shape)  # the mean first: of a large one nothing is lost
        return (found if self.bias is None else found + self.bias.view(shape)).to(input.dtype)

    def _alone(self, input: Tensor) -> Tensor:
        """By the rows here; SyncBatchNorm, which would look for processes itself, does what it does where there are none."""
        return _BatchNorm.forward(self, input)

    def __reduce_ex__(self, protocol: Any) -> Any:
        """A copy, in memory or in a file, is the layer as it was, which normalises by the rows it has."""
        kind, state = type(self).__bases__[1], {name: each for name, each in self.__dict__.items() if name != "_together"}
        return bare, (kind,), state

    def _follow(self, count: Tensor, mean: Tensor, variance: Tensor) -> None:
        """Move the running statistics by those of all rows, the variance as an estimate of that of the data (divided by n - 1)."""
        if self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
        if self.running_mean is None or self.running_var is None:
            return
        share = 1.0 / self.num_batches_tracked if self.momentum is None else self.momentum  # type: ignore[operator]
        unbiased = variance * (count / (count - 1).clamp(min=1))
        for running, now in ((self.running_mean, mean), (self.running_var, unbiased)):
            running.add_((now - running) * share)


def moments(rows: Tensor, together: Together) -> tuple[Tensor, Tensor, Tensor]:
    """How many values a channel has over all processes, their mean (c) and variance (c) by n; raises ValueError for a single value.

    From the count, the sum and the sum of squares in float64, one exchange. The sum of squares comes from the variance here, which torch
    takes about the mean, so that a large mean cancels nothing.
    """
    over = [place for place in range(rows.dim()) if place != 1]
    here = rows.numel() // rows.shape[1]
    wide = rows if rows.dtype in (torch.float32, torch.float64) else rows.float()
    if here:
        variance, mean = torch.var_mean(wide, dim=over, unbiased=False)
    else:
        variance = mean = wide.sum(over)  # zeros, which the exchange of the gradients goes through as well
    mean, variance = mean.double(), variance.double()
    counted = here if together.counted else 0
    sums = torch.cat([mean * counted, (variance + mean * mean) * counted, mean.new_full([1], counted)])
    sums = _sum_over(sums, together.group)
    count = sums[-1].detach()
    if sums.device.type == "cpu" and count <= 1:  # a card is not waited for
        raise ValueError(f"Expected more than 1 value per channel when training, got {int(count)} over all processes")
    mean, squares = (sums[:-1] / count.clamp(min=1)).chunk(2)
    return count.to(wide.dtype), mean.to(wide.dtype), (squares - mean * mean).clamp(min=0).to(wide.dtype)


@contextmanager
def in_step(together: Together, counted: bool = True) -> Iterator[None]:
    """A forward pass that all processes of `together` make now; `counted=False` where the rows of this one are no part of it."""
    before = together.on, together.counted
    together.on, together.counted = True, counted
    try:
        yield
    finally:
        together.on, together.counted = before

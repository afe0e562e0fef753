"""The part of a parameter that a process holds, as optimizers and norms see it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from trainwright.parallel.distributed import others_present
from trainwright.parallel.strategies.base import Shard
from trainwright.parallel.strategies.mesh import Mesh


@dataclass(frozen=True)
class HeldPart:
    """What is known of a parameter of which this process holds a part; `trainwright.optim` reads it from `parameter.part`."""

    shard: Shard
    counted: bool
    """Whether this process is the one, of all that hold the same part, that counts it in a sum over the whole model."""
    sum: Callable[[Tensor], Tensor]
    """The sum of a small tensor over all processes."""
    like: Any = None
    """A DTensor that is dealt so; None for a parameter that is whole here."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the whole."""
        return self.shard.shape

    @property
    def offsets(self) -> tuple[int, ...]:
        """Where the part begins in each dimension."""
        return self.shard.offsets

    def whole(self, tensor: Tensor) -> Tensor:
        """All of a tensor of which each process has the part that it has of the parameter."""
        if self.like is None:
            return tensor
        from torch.distributed.tensor import DTensor

        spec = self.like
        made = DTensor.from_local(tensor, spec.device_mesh, spec.placements, run_check=False, shape=spec.shape, stride=spec.stride())
        return whole_of(made)

    def own(self, tensor: Tensor) -> Tensor:
        """Of a whole tensor the part that this process has of the parameter."""
        if self.like is None:
            return tensor
        for dim, (start, length) in enumerate(zip(self.shard.offsets, self.like.to_local().shape, strict=True)):
            tensor = tensor.narrow(dim, start if length else 0, length)
        return tensor


def part_of(tensor: Tensor, mesh: Mesh, sum_over: Callable[[Tensor], Tensor]) -> HeldPart:
    """What this process holds of a parameter, a DTensor or a plain one that is whole here."""
    placements = getattr(tensor, "placements", None)
    at = dict(zip(("replicate", "shard", "tp"), mesh.place, strict=True))
    if placements is None:
        return HeldPart(Shard(tuple(tensor.shape), (0,) * tensor.dim()), not any(at.values()), sum_over)
    from torch.distributed.tensor._utils import compute_local_shape_and_global_offset

    whole: Any = tensor
    names = whole.device_mesh.mesh_dim_names
    split = {name for name, placed in zip(names, placements, strict=True) if not placed.is_replicate()}
    _, offsets = compute_local_shape_and_global_offset(tuple(tensor.shape), whole.device_mesh, placements)
    counted = not any(place for name, place in at.items() if name not in split)
    return HeldPart(Shard(tuple(tensor.shape), tuple(offsets)), counted, sum_over, tensor.detach())


def summing(group: Any) -> Callable[[Tensor], Tensor]:
    """What sums a tensor over the processes of a group, all of which get the same bits; the tensor itself is left as it is."""

    def sum_over(tensor: Tensor) -> Tensor:
        total = tensor.detach().clone()
        with others_present():
            dist.all_reduce(total, group=group)
        return total

    return sum_over


def whole_of(tensor: Tensor) -> Tensor:
    """All of a tensor on every process, plain."""
    full = getattr(tensor, "full_tensor", None)
    if full is None:
        return tensor.detach()
    with torch.no_grad(), others_present():
        found: Tensor = full()
    return found.detach().contiguous()

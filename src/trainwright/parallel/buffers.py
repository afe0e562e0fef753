"""Buffers of a system made equal on all processes: a forward pass moves them, each process's by the rows that it had."""

from __future__ import annotations

import zlib

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase

from trainwright.parallel.world import World


@torch.no_grad()
def settle_buffers(system: nn.Module, world: World) -> list[str]:
    """Make the buffers of all processes the same, and name those of them that became rank 0's.

    Running statistics of norms become the mean over processes: they move linearly, so that it does not matter when or how often this is
    done. Their counts become the largest; of any other buffer nothing is known, and rank 0's is taken, which its checkpoints hold.
    """
    if world.size == 1:
        return []
    buffers = {name: each for name, each in system.named_buffers() if not each.is_meta}
    found = world.gather([checksum(each) for each in buffers.values()])
    differing = [name for name, *each in zip(buffers, *found, strict=True) if len(set(each)) > 1]
    statistics = {id(each) for module in system.modules() if isinstance(module, _NormBase) for each in module.buffers(recurse=False)}
    taken = []
    for name in differing:
        buffer = buffers[name]
        if id(buffer) not in statistics:
            buffer.copy_(world.broadcast(buffer.clone()))
            taken.append(name)
        elif buffer.is_floating_point():
            buffer.copy_(world.sum(buffer.double()) / world.size)
        else:
            buffer.copy_(-world.min(-buffer))
    return taken


def checksum(tensor: Tensor) -> int:
    """A number that differs for tensors that do, but for one in four thousand million."""
    return zlib.crc32(tensor.detach().to("cpu").reshape(-1).contiguous().view(torch.uint8).numpy().data)

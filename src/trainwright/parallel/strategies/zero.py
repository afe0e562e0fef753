"""ZeRO-1 (Rajbhandari et al. 2020): the state of the optimizer is dealt over the processes, each of which updates parameters of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

from trainwright.parallel.distributed import others_present
from trainwright.parallel.strategies.ddp import DataParallel

T = TypeVar("T")


class ZeroRedundancy(DataParallel):
    """Gradients are summed as with ddp; a parameter is updated by its owner, who hands it to the others."""

    name: ClassVar[str] = "zero"
    deals_optimizer: ClassVar[bool] = True
    shares_state = True

    @property
    def rank(self) -> int:
        """Which of the owners this process is."""
        return self.world.rank

    @property
    def size(self) -> int:
        """How many owners there are."""
        return self.world.size

    def owners(self, tensors: Sequence[Tensor]) -> list[int]:
        """The rank that updates each: the largest first, each to the one that has least so far."""
        load, found = [0] * self.world.size, [0] * len(tensors)
        for place in sorted(range(len(tensors)), key=lambda place: -tensors[place].numel()):
            found[place] = min(range(self.world.size), key=load.__getitem__)
            load[found[place]] += tensors[place].numel()
        return found

    @torch.no_grad()
    def spread(self, tensors: Sequence[Tensor], owners: Sequence[int]) -> None:
        """Give every process the values that the owner of each tensor has, in one exchange for each owner and kind of number."""
        kinds: dict[tuple[int, torch.dtype], list[Tensor]] = {}
        for tensor, owner in zip(tensors, owners, strict=True):
            kinds.setdefault((owner, tensor.dtype), []).append(tensor.detach())
        with others_present():
            sent = [self._send(owner, each) for (owner, _), each in kinds.items()]
            for _, work in sent:
                work.wait()
        for (flat, _), ((owner, _), held) in zip(sent, kinds.items(), strict=True):
            if owner != self.world.rank:
                for tensor, values in zip(held, torch.split(flat, [each.numel() for each in held]), strict=True):
                    tensor.copy_(values.view(tensor.shape))

    def _send(self, owner: int, held: list[Tensor]) -> tuple[Tensor, Any]:
        size = sum(each.numel() for each in held)
        mine = owner == self.world.rank
        flat = torch.cat([each.reshape(-1) for each in held]) if mine else torch.empty(size, dtype=held[0].dtype, device=held[0].device)
        return flat, dist.broadcast(flat, group=self._group, group_src=owner, async_op=True)

    def gather(self, value: T) -> list[T]:
        """What each process gave, in the order of ranks."""
        return self.world.gather(value)

"""Tensor parallel: the layers of a plan are split over the processes of a replica, which take the same rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import torch.distributed as dist
from torch import nn

from trainwright.parallel.distributed import others_present
from trainwright.parallel.strategies.flat import FlatGradients
from trainwright.parallel.strategies.sharded import Sharded


class TensorParallel(Sharded):
    """Replicas of layers that are split; the gradients of replicas are summed in one exchange."""

    name: ClassVar[str] = "tp"
    _flat: FlatGradients | None = None

    def _sum_over_replicas(self, parameters: Sequence[nn.Parameter]) -> None:
        if self.data_size == 1:
            return
        if self._flat is None or not self._flat.of(parameters):
            self._flat = FlatGradients(parameters, 0)
        self._flat.pack([])
        group: Any = self._torch_mesh["replicate"].get_group()
        with others_present():
            for work in self._flat.each(lambda buffer: dist.all_reduce(buffer, group=group, async_op=True)):
                work.wait()
        self._flat.unpack()

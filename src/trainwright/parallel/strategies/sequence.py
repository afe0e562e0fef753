"""Layers that take each position by itself (norms), split by positions."""

from __future__ import annotations

from typing import Any

from torch import nn
from torch.distributed.tensor import DTensor, Replicate, Shard
from torch.distributed.tensor.parallel import SequenceParallel

POSITIONS = (Shard(1),)


class SequenceStyle(SequenceParallel):
    """Torch's takes what comes in as split already and leaves it so; here it is split, and made whole, where neighbours have it whole."""

    def __init__(self, *, come_split: bool, leave_split: bool) -> None:
        super().__init__(sequence_dim=POSITIONS[0].dim)
        self.come_split, self.leave_split = come_split, leave_split

    def _apply(self, module: nn.Module, device_mesh: Any) -> nn.Module:
        from torch.distributed.tensor import distribute_module

        return distribute_module(module, device_mesh, self._replicate_module_fn, self._come_in, self._go_out)

    def _come_in(self, module: nn.Module, inputs: Any, device_mesh: Any) -> Any:
        given, *rest = inputs
        if not isinstance(given, DTensor):
            given = DTensor.from_local(given, device_mesh, POSITIONS if self.come_split else [Replicate()], run_check=False)
        return (given.redistribute(placements=POSITIONS), *rest)

    def _go_out(self, module: nn.Module, output: Any, device_mesh: Any) -> Any:
        return (output if self.leave_split else output.redistribute(placements=[Replicate()])).to_local()

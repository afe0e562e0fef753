"""Fully sharded data parallel: each process keeps a part of every parameter; groups of whole ones are gathered where they are used."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from trainwright.config.errors import ConfigError
from trainwright.parallel.strategies.grouping import find_groups
from trainwright.parallel.strategies.mesh import Mesh
from trainwright.parallel.strategies.plan_options import LayerStyle
from trainwright.parallel.strategies.root import Root
from trainwright.parallel.strategies.sharded import STEPS, Sharded
from trainwright.parallel.strategies.sharded_options import GroupOptions, ShardPrecision
from trainwright.parallel.world import World

FORMATS = {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": torch.float32}


class FullySharded(Sharded):
    """Torch's `fully_shard` in groups; with a plan, over layers that are split."""

    name: ClassVar[str] = "fsdp"

    def __init__(
        self,
        world: World,
        mesh: Mesh,
        plan: Mapping[str, LayerStyle],
        groups: GroupOptions | None = None,
        precision: ShardPrecision | None = None,
        *,
        reshard: bool = True,
        offload: bool = False,
    ) -> None:
        """`reshard`: free whole weights after the forward pass too. `offload`: parts, their gradients and state are on the host."""
        super().__init__(world, mesh, plan)
        self.groups, self.precision, self.reshard, self.offload = groups or GroupOptions(), precision, reshard, offload
        self.found: dict[str, nn.Module] = {}
        self._root: Any = None
        self._inside = False

    def _deal(self, system: nn.Module) -> None:
        from torch.distributed.fsdp import fully_shard

        refuse_layout(system)
        self.found = find_groups(system, self.groups)
        mesh = self._torch_mesh["replicate", "shard"] if self.mesh.replicate > 1 else self._torch_mesh["shard"]
        shared: dict[str, Any] = {"mesh": mesh, "reshard_after_forward": self.reshard}
        if self.offload:
            from torch.distributed.fsdp import CPUOffloadPolicy

            shared["offload_policy"] = CPUOffloadPolicy()
        policy = self._policy()
        for module in self.found.values():
            fully_shard(module, **shared, mp_policy=policy)
        self._root = Root(system)
        # What is whole for the whole step is freed after it: an evaluation would leave weights in it that are others by the next step.
        fully_shard(self._root, **shared | {"reshard_after_forward": True})
        for module in self._root.modules():
            if hasattr(module, "set_gradient_divide_factor"):
                module.set_gradient_divide_factor(1.0)  # sums, which are divided once by all items; gloo knows no other product
                module.set_force_sum_reduction_for_comms(True)
        for name in STEPS:
            method = getattr(system, name, None)
            if method is not None:
                vars(system)[name] = partial(self._call, method)

    def _policy(self) -> Any:
        """The formats of a group, which takes and gives tensors; a step of the system takes a batch, whose targets stay as they are."""
        from torch.distributed.fsdp import MixedPrecisionPolicy

        if self.precision is None:
            return MixedPrecisionPolicy()
        if not self.found:
            why, fix = (
                "no module is a group, and what is gathered for the whole step stays in float32",
                "give groups.match, or lower groups.smallest",
            )
            raise ConfigError("there is no group to be in another format", where="trainer.strategy.precision", why=why, fix=fix)
        asked = self.precision
        output = None if asked.outputs == "as it is" else FORMATS[asked.outputs]
        return MixedPrecisionPolicy(FORMATS[asked.weights], FORMATS[asked.gradients], output)

    def _call(self, method: Callable[..., Any], /, *arguments: Any, **options: Any) -> Any:
        """A step of the system with what it needs gathered; one that it calls within is a part of it."""
        if self._inside:
            return method(*arguments, **options)
        self._inside = True
        try:
            return self._root(method, *arguments, **options)
        finally:
            self._inside = False
            if not (self.reshard or torch.is_grad_enabled()):
                self._free()  # no backward pass will

    def _undo(self, system: nn.Module) -> None:
        for name in STEPS:
            vars(system).pop(name, None)
        self._root = None

    def begin_step(self) -> None:
        """As in `Sharded`; torch forgets its half-made step too."""
        super().begin_step()
        if self._root._get_fsdp_state()._is_root:
            self._root.reset_iter_state()

    @contextmanager
    def micro_batch(self, last: bool, counts: bool = True) -> Iterator[None]:
        """Gradients are exchanged in the backward pass of the last piece."""
        self._root.set_requires_gradient_sync(last)
        self._root.set_is_last_backward(last)
        yield

    @torch.no_grad()
    def _write(self, values: Mapping[nn.Parameter, Tensor]) -> None:
        self._free()  # else what was gathered before would be used on
        super()._write(values)

    def _free(self) -> None:
        for module in self._root.modules():
            if hasattr(module, "reshard"):
                module.reshard()


def refuse_layout(system: nn.Module) -> None:
    """Raise ConfigError for a parameter that torch cannot deal by its first dimension."""
    for name, each in system.named_parameters():
        if each.dim() == 0:
            fix = "make it a vector of one value, or use strategy ddp or zero"
            raise ConfigError(f"fsdp cannot deal '{name}'", where="trainer.strategy", why="it is a single number", fix=fix)
        if not getattr(each, "_local_tensor", each).is_contiguous():
            fix = "leave trainer.modes.channels_last out, or use strategy ddp or zero"
            raise ConfigError(f"fsdp cannot deal '{name}'", where="trainer.strategy", why="its values are not side by side", fix=fix)

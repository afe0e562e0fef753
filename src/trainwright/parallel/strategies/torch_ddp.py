"""Data parallel through torch's DistributedDataParallel, whose buckets go through communication hooks while the backward pass runs."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import partial
from typing import Any, ClassVar, cast

import torch
import torch.distributed as dist
from torch import Tensor, nn

from trainwright.config.errors import ConfigError
from trainwright.config.foreign import found_at
from trainwright.parallel.strategies.base import ALONE, Count, Summed
from trainwright.parallel.strategies.counts import tell
from trainwright.parallel.strategies.ddp import DataParallel
from trainwright.parallel.strategies.hook_options import HookOptions
from trainwright.parallel.strategies.hooks import as_sum, as_torch_asks, half_hook, in_turn, sum_hook
from trainwright.parallel.strategies.root import Root
from trainwright.parallel.world import World

log = logging.getLogger("trainwright.engine")

WHERE = "trainer.strategy.hook"
HALVES = {"fp16": torch.float16, "bf16": torch.bfloat16}
SMALLEST_COLUMN = 1e-8
"""Added to the length of a column that PowerSGD divides by: that of a layer which is frozen for a while is 0."""
MEMORIES = ("error_dict", "p_memory_dict", "q_memory_dict")
"""What PowerSGD remembers of each bucket, in this process."""


class TorchDataParallel(DataParallel):
    """Torch's reduction in place of our own: in buckets, as soon as their gradients are there."""

    name: ClassVar[str] = "ddp"

    def __init__(self, world: World, hook: HookOptions | None = None) -> None:
        super().__init__(world)
        self.hook = hook
        self.shares_state = hook is not None and hook.type == "powersgd"
        self._wrapped: Any = None
        self._power: Any = None

    def place(self, system: nn.Module) -> None:
        """As in `DataParallel`. Raises ConfigError for a hook that cannot be had."""
        super().place(system)
        from torch.nn.parallel import DistributedDataParallel

        # Parameters that a step does not use are looked for: they may be others for each row; and so buckets stay as they are, which
        # what a hook remembers of them belongs to, also in a run that goes on. One that no step uses keeps torch from a warning.
        root = Root(system)
        root.unused = nn.Parameter(torch.zeros(1, device=next(system.parameters()).device))
        self._wrapped = DistributedDataParallel(
            root, process_group=self._group, forward_sync_buffers=False, find_unused_parameters=True, gradient_as_bucket_view=False
        )
        self._wrapped.register_comm_hook(*self._hook_and_state())
        self.moves_together = True  # its buckets are exchanged in every backward pass
        vars(system)["training_step"] = partial(self._call, cast(Any, system).training_step)

    def _hook_and_state(self) -> tuple[Any, Any]:
        asked, group = self.hook, self._group if self._group is not None else dist.group.WORLD
        if asked is None:
            return group, as_torch_asks(sum_hook)
        if asked.type in HALVES:
            return group, as_torch_asks(half_hook(HALVES[asked.type]))
        if asked.type == "powersgd":
            from torch.distributed.algorithms.ddp_comm_hooks.powerSGD_hook import PowerSGDState, powerSGD_hook

            self._power = PowerSGDState(group, asked.rank, asked.start_step, asked.least_saving, orthogonalization_epsilon=SMALLEST_COLUMN)
            return self._power, as_torch_asks(as_sum(in_turn(powerSGD_hook, group), self.world.size))
        return group if asked.state == "group" else None, as_torch_asks(as_sum(in_turn(own_hook(asked.type), group), self.world.size))

    def _call(self, method: Callable[..., Any], /, *arguments: Any, **options: Any) -> Any:
        if not torch.is_grad_enabled():
            return method(*arguments, **options)
        return self._wrapped(method, *arguments, **options)

    def release(self, system: nn.Module, whole: bool = True) -> None:
        """Leave torch's wrapper."""
        vars(system).pop("training_step", None)
        self._wrapped = None

    def micro_batch(self, last: bool, counts: bool = True) -> AbstractContextManager[None]:
        """Gradients are exchanged in the backward pass of the last piece alone."""
        return ALONE if last else self._wrapped.no_sync()

    def reduce(self, parameters: Sequence[nn.Parameter], counts: Sequence[Count | None], pieces: int, left_out: bool = False) -> Summed:
        """The gradients are sums already: what is left are the items."""
        summed, asking = tell(self.world, counts, left_out, self.asks)
        self._heard.add(torch.tensor(float(asking)))
        return summed

    # what a hook remembers

    def tensors(self) -> dict[str, Tensor]:
        """What PowerSGD has left over from earlier steps, of this process (`error_dict/0`, …), and where its generator is."""
        if self._power is None:
            return {}
        found = {f"{memory}/{bucket}": each for memory in MEMORIES for bucket, each in getattr(self._power, memory).items()}
        _, keys, *place, cached = self._power.rng.get_state()
        found["generator"] = torch.tensor([*keys.tolist(), *place])
        return found | {"cached": torch.tensor(cached), "steps": torch.tensor(self._power.iter)}

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """As in `Strategy`."""
        if self._power is None:
            return
        if not tensors:
            log.warning("what the hook %s has left over is not of %d processes: it begins anew", "powersgd", self.world.size)
            return
        import numpy as np

        for memory in MEMORIES:
            held = {name.partition("/")[2]: each for name, each in tensors.items() if name.startswith(f"{memory}/")}
            setattr(self._power, memory, {int(bucket): each.clone() for bucket, each in held.items()})
        *keys, place, gauss = tensors["generator"].tolist()
        self._power.rng.set_state(("MT19937", np.array(keys, dtype=np.uint32), place, gauss, float(tensors["cached"])))
        self._power.iter = int(tensors["steps"])

    def describe(self) -> str:
        """`2 processes (ddp, torch's, hook bf16)`."""
        return f"{self.world.size} processes (ddp, torch's{'' if self.hook is None else f', hook {self.hook.type}'})"


def own_hook(path: str) -> Any:
    """A hook by its path. Raises ConfigError for a name that is none, and for what cannot be called."""
    if not re.search(r"[.:/]", path):
        fix = "use fp16, bf16, powersgd, or the path of a function, package.module:function"
        raise ConfigError(f"there is no communication hook '{path}'", where=f"{WHERE}.type", fix=fix)
    try:
        found = found_at(path)[0]
    except ConfigError as error:
        raise ConfigError(error.what, where=f"{WHERE}.type", why=error.why, fix=error.fix) from error
    if not callable(found):
        raise ConfigError(f"'{path}' cannot be called", where=f"{WHERE}.type", fix="name a function f(state, bucket)")
    return found

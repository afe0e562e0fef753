"""What strategies have in common that hold parts of a model in each process: `fsdp`, `tp`, and both."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, ClassVar, cast

import torch
import torch.distributed as dist
from torch import Tensor, nn

from trainwright.parallel.distributed import DistributedWorld, others_present
from trainwright.parallel.strategies.base import ALONE, Count, Shard, Strategy, Summed
from trainwright.parallel.strategies.counts import tell
from trainwright.parallel.strategies.ddp import gradient_group, refuse_other_models
from trainwright.parallel.strategies.mesh import Mesh
from trainwright.parallel.strategies.mirror import local_part, mirror, twin_of
from trainwright.parallel.strategies.plan import Split, read_plan, torch_style
from trainwright.parallel.strategies.plan_options import LayerStyle
from trainwright.parallel.strategies.shards import HeldPart, part_of, summing, whole_of
from trainwright.parallel.strategies.unsharded import Unsharded
from trainwright.parallel.world import World

STEPS = ("training_step", "evaluation_step", "validation_step", "test_step", "predict_step", "sample")
"""Methods of a system that run its layers."""


class Sharded(Strategy):
    """Torch deals the parameters of the real modules; optimizer, averages and clipping see a mirror with the plain parts."""

    moves_together = True
    shares_state = True
    deals_model: ClassVar[bool] = True

    def __init__(self, world: World, mesh: Mesh, plan: Mapping[str, LayerStyle]) -> None:
        super().__init__(world)
        self.mesh, self.plan = mesh, dict(plan)
        self.data_rank, self.data_size = mesh.data_rank, mesh.data_size
        self.layers: list[Split] = []
        self._torch_mesh: Any = None
        self._group: Any = None
        self._data_world: World | None = None
        self._heard: bool | None = None
        self._before: Unsharded | None = None
        self._twin: nn.Module | None = None
        self._pairs: dict[str, tuple[nn.Parameter, nn.Parameter]] = {}
        """Name → the real parameter and the plain one that has its part."""

    # placing and putting back

    def place(self, system: nn.Module) -> None:
        """Deal the parameters over the processes. Raises ConfigError where they made other models, or one that cannot be dealt so."""
        refuse_other_models(self.world, system)
        device = next((each.device for each in system.parameters()), torch.device("cpu"))
        self.layers = read_plan(self.plan, system, self.mesh.tp)
        self._torch_mesh = self.mesh.make(device.type)
        self._group = gradient_group(self.world, device)
        self._data_world = data_world_of(self.world, self.mesh)
        self._share_first_weights(system)
        self._before, self._twin = Unsharded(system), twin_of(system)
        self._split_layers(system)
        self._deal(system)
        self._before.free()
        self._pairs = mirror(system, self._twin)
        self._write_parts()

    def _share_first_weights(self, system: nn.Module) -> None:
        """Every process begins with the weights and buffers of rank 0."""
        with torch.no_grad(), others_present():
            for each in {id(each): each for each in (*system.parameters(), *system.buffers())}.values():
                held = each.detach().contiguous()
                dist.broadcast(held, group=self._group, group_src=0)
                each.detach().copy_(held)

    def _split_layers(self, system: nn.Module) -> None:
        if not self.layers:
            return
        from torch.distributed.tensor.parallel import parallelize_module

        for each in self.layers:  # by themselves: a system may call them otherwise than the modules round them do
            parallelize_module(each.layer, self._torch_mesh["tp"], torch_style(each))

    def _deal(self, system: nn.Module) -> None:
        """Deal what is left over the processes of a replica."""

    def _write_parts(self) -> None:
        total = summing(self._group)
        for real, plain in self._pairs.values():
            cast(Any, plain).part = part_of(real, self.mesh, total)

    def release(self, system: nn.Module, whole: bool = True) -> None:
        """The modules as they were before, with all of their weights where all processes call this; else empty of them."""
        if self._before is None:
            return
        values: dict[str, Tensor] = {}
        for name, (real, plain) in self._pairs.items():
            if real is plain:
                vars(plain).pop("part", None)
            elif whole:
                values[name] = whole_of(real)
        self._undo(system)
        self._before.put_back(values)
        self._before, self._twin, self._pairs = None, None, {}

    def _undo(self, system: nn.Module) -> None:
        """Take back what `_deal` did to the system itself."""

    # what the others see

    def trained(self, system: nn.Module) -> nn.Module:
        """The mirror."""
        return system if self._twin is None else self._twin

    def shard_of(self, name: str, tensor: Tensor) -> Shard | None:
        """As in `Strategy`; `name` is a parameter's, or ends in one after a slash, as state of optimizers and averages does."""
        found = self._pairs.get(name) or self._pairs.get(name.partition("/")[2])
        if found is None:
            return None
        part: HeldPart | None = getattr(found[1], "part", None)
        split = part is not None and tuple(found[0].shape) != tuple(found[1].shape)
        return part.shard if part is not None and split and tensor.shape == found[1].shape else None

    # a step

    def begin_step(self) -> None:
        """Forget what an attempt left that did not come to its end."""
        for real, plain in self._pairs.values():
            real.grad = None
            if plain.requires_grad != real.requires_grad:  # frozen or thawed since
                plain.requires_grad_(real.requires_grad)

    def micro_batch(self, last: bool, counts: bool = True) -> AbstractContextManager[None]:
        """As in `Strategy`."""
        return ALONE

    def reduce(self, parameters: Sequence[nn.Parameter], counts: Sequence[Count | None], pieces: int, left_out: bool = False) -> Summed:
        """As in `Strategy`; the gradients are handed to the plain parameters."""
        self._hand_over()
        self._sum_over_replicas(parameters)
        summed, asking = tell(self.world, counts, left_out, self.asks, counted=not self.mesh.place[2])
        self._heard = asking
        return summed

    def take_told(self) -> bool | None:
        """As in `Strategy`."""
        heard, self._heard = self._heard, None
        return heard

    @torch.no_grad()
    def _hand_over(self) -> None:
        for real, plain in self._pairs.values():
            if real is plain or real.grad is None:
                continue
            grad: Any = real.grad
            if grad.placements != cast(Any, real).placements:  # of norms that are split by positions each process has a part of the sum
                grad = grad.redistribute(placements=cast(Any, real).placements)
            plain.grad, real.grad = local_part(grad), None

    def _sum_over_replicas(self, parameters: Sequence[nn.Parameter]) -> None:
        """Sum the gradients over processes that hold the same parts and took other rows, where the backward pass has not done so."""

    @property
    def data_world(self) -> World:
        """As in `Strategy`."""
        return self._data_world or self.world

    # other weights for a while

    @contextmanager
    def weights_inside(self, weights: Mapping[str, Tensor]) -> Iterator[None]:
        """Parts of other weights in the place of these, and these again afterwards: memory that torch gathers from cannot be exchanged."""
        places = {id(plain): (plain, weights[name]) for name, (_, plain) in self._pairs.items() if name in weights}
        with torch.no_grad():
            before = [plain.detach().clone() for plain, _ in places.values()]
        try:
            self._write(dict(places.values()))
            yield
        finally:
            self._write(dict(zip([plain for plain, _ in places.values()], before, strict=True)))

    @torch.no_grad()
    def _write(self, values: Mapping[nn.Parameter, Tensor]) -> None:
        for plain, value in values.items():
            plain.copy_(value)
        torch.clear_autocast_cache()

    def describe(self) -> str:
        """`4 processes (fsdp: replicate 2, shard 2)`."""
        sizes = ", ".join(f"{name} {count}" for name, count in self.mesh.sizes.items())
        return f"{self.world.size} processes ({self.name}: {sizes})"


def data_world_of(world: World, mesh: Mesh) -> World:
    """The processes at the same place of their replicas, which take all rows together."""
    if mesh.tp == 1:
        return world
    groups = [dist.new_group(list(range(place, world.size, mesh.tp)), backend="gloo") for place in range(mesh.tp)]
    mine = groups[mesh.place[2]]
    return DistributedWorld(mine) if mesh.data_size > 1 else World()

"""Data parallel: every process holds the whole model and takes its share of the rows; gradients are summed before the update."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

from trainwright.config.errors import ConfigError
from trainwright.parallel.distributed import others_present
from trainwright.parallel.strategies.base import Count, Strategy, Summed, sum_counts
from trainwright.parallel.strategies.flat import FlatGradients
from trainwright.parallel.strategies.heard import Heard
from trainwright.parallel.world import World

NUMBERS = 4
"""What is summed beside the gradients: items, pieces that gave a loss, processes that want no step, and that have something to tell."""


class DataParallel(Strategy):
    """Sums, never means of means: the gradient of a step is divided once, by all its items."""

    name: ClassVar[str] = "ddp"

    def __init__(self, world: World, ordered: bool = False) -> None:
        """`ordered`: add gradients piece by piece in the order of rows, the same bits at any number of processes."""
        super().__init__(world)
        self.data_rank, self.data_size, self.in_order = world.rank, world.size, ordered
        self._group: Any = None
        self._flats: dict[tuple[int, ...], FlatGradients] = {}
        self._sparse: set[int] | None = None
        self._pieces: list[list[Tensor]] = []
        self._heard = Heard()

    def take_told(self) -> bool | None:
        """As in `Strategy`."""
        return self._heard.take()

    def place(self, system: nn.Module) -> None:
        """Give all processes the weights and buffers of rank 0. Raises ConfigError where a process made another model."""
        refuse_other_models(self.world, system)
        self._group = gradient_group(self.world, next((each.device for each in system.parameters()), torch.device("cpu")))
        with torch.no_grad(), others_present():
            for each in distinct([*system.parameters(), *system.buffers()]):
                broadcast(each, self._group)

    def begin_step(self) -> None:
        """As in `Strategy`."""
        self._pieces = []

    def end_piece(self, parameters: Sequence[nn.Parameter]) -> None:
        """In order: take the gradient of the piece away, so that the next begins with none."""
        if not self.in_order:
            return
        flat = self._flat(parameters)
        flat.pack([0] * NUMBERS)
        self._pieces.append(flat.copies())
        for each in parameters:
            if each.grad is not None and not each.grad.is_sparse:
                each.grad = None

    def reduce(self, parameters: Sequence[nn.Parameter], counts: Sequence[Count | None], pieces: int, left_out: bool = False) -> Summed:
        """As in `Strategy`: one exchange, or one for each round of pieces."""
        if self.in_order:
            return self._reduce_in_order(parameters, counts, pieces, left_out)
        mine = sum_counts(counts, left_out)
        self._sum_sparse(parameters)
        flat = self._flat(parameters)
        flat.pack([mine.items, mine.made, left_out, self.asks])
        self._sum(flat)
        flat.unpack()
        items, made, leaving, asking = flat.numbers()
        self._heard.add(asking)
        if isinstance(items, float):
            whole = all(isinstance(each, int) for each in counts if each is not None) and items.is_integer()
            return Summed(int(items) if whole else torch.tensor(items, dtype=torch.float64), int(made), bool(leaving))
        return Summed(items, mine.made or int(made), left_out)

    def share_gradients(self, parameters: Sequence[nn.Parameter]) -> None:
        """As in `Strategy`."""
        with torch.no_grad():
            for each in parameters:
                if each.grad is not None:
                    each.grad.mul_(self.weight)
        self._sum_sparse(parameters)
        flat = self._flat(parameters)
        flat.pack([0, 0, 0, self.asks])
        self._sum(flat)
        flat.unpack()
        self._heard.add(flat.numbers()[-1])

    def sum_weighed(self, loss: Any) -> Any:
        """As in `Strategy`."""
        return self.world.sum(loss.detach() * self.weight) if isinstance(loss, Tensor) else loss

    def describe(self) -> str:
        """`2 processes (ddp, ordered)`."""
        return f"{self.world.size} processes ({self.name}{', ordered' if self.in_order else ''})"

    def _flat(self, parameters: Sequence[nn.Parameter]) -> FlatGradients:
        key = (len(parameters), *map(id, parameters[:1]), *map(id, parameters[-1:]))
        found = self._flats.get(key)
        if found is None or not found.of(parameters):
            found = self._flats[key] = FlatGradients(parameters, NUMBERS)
        return found

    def _sum(self, flat: FlatGradients) -> None:
        with others_present():
            for work in flat.each(lambda buffer: dist.all_reduce(buffer, group=self._group, async_op=True)):
                work.wait()

    def _reduce_in_order(self, parameters: Sequence[nn.Parameter], counts: Sequence[Count | None], pieces: int, left_out: bool) -> Summed:
        """Round after round the gradients of as many pieces as there are processes, added in the order of pieces."""
        self._sum_sparse(parameters)
        flat, size = self._flat(parameters), self.world.size
        mine, self._pieces = self._pieces, []
        told = self.world.gather(([each.to("cpu") if isinstance(each, Tensor) else each for each in counts], left_out, self.asks))
        self._heard.add(torch.tensor(float(any(asking for *_, asking in told))))
        whole: list[Tensor] = []
        for number in range(-(-pieces // size)):
            here = mine[number] if number < len(mine) else [torch.zeros_like(each) for each in flat.buffers]
            for place, buffer in enumerate(here):
                found = [torch.empty_like(buffer) for _ in range(size)]
                with others_present():
                    dist.all_gather(found, buffer, group=self._group)
                for rank, each in enumerate(found):
                    if number * size + rank >= pieces:
                        continue
                    if len(whole) <= place:
                        whole.append(each)
                    else:
                        whole[place].add_(each)
        flat.take(whole)
        flat.unpack()
        of_ranks = [made for made, *_ in told]
        in_turn = [of_ranks[place % size][place // size] for place in range(pieces) if place // size < len(of_ranks[place % size])]
        return sum_counts(in_turn, any(leaving for _, leaving, _ in told))

    def _sum_sparse(self, parameters: Sequence[nn.Parameter]) -> None:
        """Sum sparse gradients in the order of ranks; which parameters have them is settled at the first step."""
        if self._sparse is None:
            here = {place for place, each in enumerate(parameters) if each.grad is not None and each.grad.is_sparse}
            self._sparse = set().union(*self.world.gather(here))
        for place, parameter in enumerate(parameters):
            if place not in self._sparse:
                if parameter.grad is not None and parameter.grad.is_sparse:
                    parameter.grad = parameter.grad.to_dense()
                continue
            mine = None if parameter.grad is None else parameter.grad.coalesce().to("cpu")
            found = [each for each in self.world.gather(mine) if each is not None]
            parameter.grad = sum(found[1:], found[0]).to(parameter.device).coalesce() if found else None


def refuse_other_models(world: World, system: nn.Module) -> None:
    """Raise ConfigError naming the first process and the parameter or buffer in which it differs from rank 0's."""
    own = [(name, tuple(each.shape), str(each.dtype)) for name, each in named_tensors(system)]
    told = world.gather(own)
    for rank, other in enumerate(told):
        if other == told[0]:
            continue
        first, theirs = next(((one, two) for one, two in zip(told[0], other, strict=False) if one != two), (None, None))
        if first is None or theirs is None:
            longer = told[0] if len(told[0]) > len(other) else other
            what = f"only {'rank 0' if longer is told[0] else f'rank {rank}'} has '{longer[min(len(told[0]), len(other))][0]}'"
        else:
            what = f"'{theirs[0]}' has shape {theirs[1]} ({theirs[2]}) on rank {rank}; on rank 0 '{first[0]}' has {first[1]} ({first[2]})"
        fix = "start all processes with the same configuration, data and code"
        raise ConfigError(f"rank {rank} made another model than rank 0", where="model", why=what, fix=fix)


def named_tensors(system: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Parameters and buffers by name."""
    yield from system.named_parameters()
    yield from system.named_buffers()


def distinct(tensors: Sequence[Tensor]) -> list[Tensor]:
    """Each once."""
    return list({id(each): each for each in tensors}.values())


def broadcast(tensor: Tensor, group: Any) -> None:
    """Give every process rank 0's values."""
    held = tensor.detach()
    plain = held if held.is_contiguous() else held.contiguous()
    dist.broadcast(plain, group=group, group_src=0)
    if plain is not held:
        held.copy_(plain)


def gradient_group(world: World, device: torch.device) -> Any:
    """The group over which gradients go: NCCL between GPUs, else the one of the world."""
    if device.type == "cuda":
        torch.cuda.set_device(device)
        return dist.new_group(backend="nccl")
    return getattr(world, "group", None)

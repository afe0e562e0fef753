"""The processes of a run as a LightningModule finds them: `trainer.strategy`, and ranks by the words of Lightning."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

import torch
from torch import Tensor

from trainwright.config.errors import TrainwrightError, did_you_mean
from trainwright.parallel.world import World

if TYPE_CHECKING:
    from trainwright.adapters.lightning.trainer import LightningTrainer


class NotThere(TrainwrightError, AttributeError):
    """Something of Lightning's that has no counterpart here; `hasattr` is false of it."""


class InWorld:
    """The process of a run among the others, in the words of Lightning."""

    node_rank = 0

    @property
    def world(self) -> World:
        """The processes of the run; this one alone while there is none."""
        raise NotImplementedError

    @property
    def world_size(self) -> int:
        """How many processes train together."""
        return self.world.size

    @property
    def global_rank(self) -> int:
        """Which of them this is."""
        return self.world.rank

    @property
    def local_rank(self) -> int:
        """Which of those on this machine this is."""
        return self.world.local_rank

    @property
    def is_global_zero(self) -> bool:
        """Whether this is the one that writes."""
        return self.world.is_main


class Strategy(InWorld):
    """Where a run is computed: on one device in each of its processes."""

    def __init__(self, trainer: LightningTrainer) -> None:
        self._trainer = trainer

    def __getattr__(self, name: str) -> NoReturn:
        say_missing(self, name, "trainer.strategy")

    @property
    def root_device(self) -> torch.device:
        """The device of the run."""
        return self._trainer._system.device

    @property
    def _lightning_optimizers(self) -> list[Any]:
        return self._trainer._system.steppers()

    def backward(self, loss: Tensor, optimizer: Any = None, *arguments: Any, **named: Any) -> Tensor:
        """The backward pass of a loss, with the hooks round it."""
        self._trainer._system.backward_of(loss, *arguments, **named)
        return loss

    @property
    def world(self) -> World:
        """The processes of the run."""
        return self._trainer.world

    def all_gather(self, tensor: Tensor, group: Any = None, sync_grads: bool = False) -> Tensor:
        """The tensors of all processes, stacked, without a gradient; the tensor itself where there is one."""
        return tensor if self.world.size == 1 else torch.stack(self.world.gather(tensor)).to(tensor.device)

    def broadcast(self, thing: Any, src: int = 0) -> Any:
        """The thing that process `src` has."""
        return self.world.gather(thing)[src] if src else self.world.broadcast(thing)

    def reduce(self, tensor: Any, group: Any = None, reduce_op: Any = "mean") -> Any:
        """The mean over all processes, or the sum where `reduce_op` says so."""
        whole = self.world.sum(tensor)
        return whole if "sum" in str(reduce_op).lower() or self.world.size == 1 else whole / self.world.size

    def reduce_boolean_decision(self, decision: bool, all: bool = True) -> bool:
        """Whether all processes decide so, or any."""
        return not self.world.any(not decision) if all else self.world.any(decision)

    def barrier(self, name: str | None = None) -> None:
        """Return when all processes have come here."""
        self.world.barrier()


def say_missing(thing: object, name: str, where: str, fix: str = "") -> NoReturn:
    """Raise NotThere for a name of Lightning's that has no counterpart, with the nearest that has."""
    there = [each for each in dir(thing) if not each.startswith("_")]
    raise NotThere(
        f"there is no '{where}.{name}' here", why="the module runs in Trainwright's engine", fix=fix or did_you_mean(name, there, 60)
    )

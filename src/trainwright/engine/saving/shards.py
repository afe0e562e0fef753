"""Which parts of the tensors of a checkpoint a process holds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from torch import Tensor

from trainwright.checkpoint.layout import Local, LocalFiles
from trainwright.checkpoint.snapshot import TensorFiles
from trainwright.checkpoint.store import Checkpoint
from trainwright.config.errors import RunError
from trainwright.engine.state import OPTIMIZER, RANK, parameter_of, rank_prefix, weights_of
from trainwright.files.tensors import NAMES
from trainwright.parallel.strategies.base import Shard, Strategy
from trainwright.parallel.world import World

if TYPE_CHECKING:
    from trainwright.engine.session import Session


class Shards:
    """Which part of which tensor this process holds, by the parameters and buffers of the system."""

    def __init__(self, strategy: Strategy, weights: Mapping[str, Tensor]) -> None:
        self.world, self._strategy = strategy.world, strategy.name
        found = {name: (strategy.shard_of(name, tensor), tuple(tensor.shape)) for name, tensor in weights.items()}
        self._held = {name: (shard, shape) for name, (shard, shape) in found.items() if shard is not None}

    @property
    def any(self) -> bool:
        """Whether this process holds a part of anything."""
        return bool(self._held)

    @classmethod
    def of(cls, session: Session) -> Shards:
        """Those of a session."""
        return cls(session.parts.strategy, weights_of(session.parts.system))

    def part(self, file: str, name: str, shape: tuple[int, ...]) -> Shard | None:
        """Which part a tensor of this shape is, of a file of a checkpoint: of a parameter's state what has the parameter's shape."""
        shard, own = self._held.get(parameter_of(file, name), (None, ()))
        return shard if shape == own else None

    def box(self, file: str, name: str, whole: tuple[int, ...]) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
        """The box of a tensor of this whole shape that belongs here; None for all of it."""
        shard, own = self._held.get(parameter_of(file, name), (None, ()))
        return (shard.offsets, own) if shard is not None and shard.shape == whole else None

    def by_rank(self, files: TensorFiles) -> dict[str, Mapping[str, Tensor]]:
        """The files with state that no other process can have, such as 8-bit blocks of a part, under this rank's name."""
        state = {self._own_name(name, tensor): tensor for name, tensor in files.get(OPTIMIZER, {}).items()}
        return {**files, OPTIMIZER: state} if OPTIMIZER in files else dict(files)

    def _own_name(self, name: str, tensor: Tensor) -> str:
        parameter = parameter_of(OPTIMIZER, name)
        foreign = parameter in self._held and tensor.dim() > 0 and self.part(OPTIMIZER, name, tuple(tensor.shape)) is None
        return f"{rank_prefix(self.world)}{name}" if foreign else name

    def local(self, files: TensorFiles) -> LocalFiles:
        """What this process has of each tensor of a checkpoint."""
        return {file: {name: self._local(file, name, tensor) for name, tensor in tensors.items()} for file, tensors in files.items()}

    def _local(self, file: str, name: str, tensor: Tensor) -> Local:
        shape = tuple(tensor.shape)
        shard = self.part(file, name, shape) or Shard(shape, (0,) * len(shape))
        return Local(NAMES[tensor.dtype], shard.shape, shard.offsets, shape)


def for_rank(state: Mapping[str, Tensor], world: World, checkpoint: Checkpoint) -> Mapping[str, Tensor]:
    """An optimizer's state with this rank's own; raises RunError where that was made by another number of processes."""
    of_ranks = [name for name in state if name.startswith(RANK)]
    if not of_ranks:
        return state
    prefix, made_by = rank_prefix(world), checkpoint.manifest.made_by
    mine = {name.removeprefix(prefix): name for name in of_ranks if name.startswith(prefix)}
    if not mine:
        why = f"it is in blocks of the parts that {made_by} had ({of_ranks[0].partition('/')[2]}), which cannot be cut anew"
        fix = f"continue with {made_by}, or begin a child run with another optimizer: trainwright resume RUN --fork trainer.optimizer=adamw"
        raise RunError("the optimizer's state fits no other number of processes", where=str(checkpoint.folder), why=why, fix=fix)
    plain = {name: name for name in state if not name.startswith(RANK)}
    return {name: state[key] for name, key in {**plain, **mine}.items()}

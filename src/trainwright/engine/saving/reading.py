"""A checkpoint as one process of a run reads it: of every tensor the part that this process holds, whoever wrote it."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import Tensor

from trainwright.checkpoint.store import Checkpoint
from trainwright.engine.saving.shards import Shards, for_rank
from trainwright.engine.state import OPTIMIZER

if TYPE_CHECKING:
    from trainwright.engine.session import Session

log = logging.getLogger("trainwright.engine")


@dataclass(frozen=True)
class PartialCheckpoint(Checkpoint):
    """A verified checkpoint, of which tensors are read when they are asked for, and only what belongs to this process."""

    shards: Shards | None = None

    def tensors(self, name: str) -> Mapping[str, Tensor]:
        """The tensors of one of its files, or the parts of them that are of this process."""
        shards = self.shards
        if shards is None:
            return super().tensors(name)
        found = self.parts(name, lambda tensor, whole: shards.box(name, tensor, whole))
        return for_rank(found, shards.world, self) if name == OPTIMIZER else found


def for_this_process(session: Session, checkpoint: Checkpoint) -> Checkpoint:
    """The checkpoint as this process reads it; how many saved it, and how, is said where that was otherwise."""
    parts, saved = session.parts, checkpoint.manifest
    now = "one process" if parts.world.size == 1 else f"{parts.strategy.name} × {parts.world.size}"
    found: Checkpoint = checkpoint
    if parts.world.size > 1 or saved.ranks > 1:
        found = PartialCheckpoint(checkpoint.folder, saved, checkpoint.layout, Shards.of(session))
    if saved.made_by != now and parts.world.is_main:
        log.info("%s: saved by %s, loaded as %s", checkpoint.folder.name, saved.made_by, now)
    return found

"""Data of which each process reads a share of its own, of unknown length: who has none left adds nothing, and lets nobody wait."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from torch import Tensor

from trainwright.config.errors import ConfigError, DataError
from trainwright.data.ended import DataEnded
from trainwright.data.rows import Rows, WrappedRows
from trainwright.engine.pieces import Pieces
from trainwright.engine.system import Batch, rows_in
from trainwright.parallel.strategies.options import StrategyOptions
from trainwright.parallel.world import World

if TYPE_CHECKING:
    from trainwright.engine.session import Session

log = logging.getLogger("trainwright.engine")


class OwnShare(WrappedRows):
    """Ready batches that this process alone has; an epoch is as long as all processes make it together."""

    own_share = True

    def __init__(self, rows: Rows, length: int) -> None:
        super().__init__(rows)
        self._length = length

    def __len__(self) -> int:
        return self._length

    def take(self, indices: Tensor) -> Any:
        """As the rows inside; raises DataEnded beyond their end."""
        if int(indices[0]) >= len(self.rows):
            raise DataEnded("this process has no batch left in this epoch")
        return self.rows.take(indices)


def own_share(rows: Rows, options: StrategyOptions, world: World) -> Rows:
    """The rows of a process among those of others, where each reads its own (`streams: own`); else the rows as they are.

    Raises ConfigError for rows that have an index, which are dealt out, and DataError for unequal lengths where these are an error.
    """
    if world.size == 1 or options.streams == "same":
        return rows
    if not rows.batched:
        why = f"{rows.describe()} have an index: every step deals its rows out to all processes, each once"
        raise ConfigError("rows with an index are not read in shares", where="trainer.strategy.streams", why=why, fix="leave it out")
    lengths = world.gather(len(rows))
    if options.uneven == "error" and len(set(lengths)) > 1:
        raise uneven(f"they have {', '.join(map(str, lengths))} batches, in the order of ranks", "data")
    return OwnShare(rows, min(lengths) if options.uneven == "stop" else max(lengths))


class OwnStreams:
    """Before each step the processes tell each other whether they have rows for it; only runs over shares of their own ask this."""

    def __init__(self, world: World, policy: str, together: bool) -> None:
        """`policy`: what is done where some have none left. `together`: whether forward passes hold exchanges."""
        self._world, self._policy, self._together = world, policy, together
        self._last: Batch | None = None
        self._told: set[int] = set()

    def settle(self, session: Session, batch: Batch | None) -> Batch | None:
        """The batch of this process, or one to repeat for nothing where it has none; None where the run ends with the data.

        Raises DataError where a stream that ends before others is an error, and for one that gives nothing at all.
        """
        pieces = batch if isinstance(batch, Pieces) else [] if batch is None else [batch]
        told = self._world.gather((sum(map(rows_in, pieces)), len(pieces)))
        rows, counts = [each for each, _ in told], {each for _, each in told}
        session.parts.dealer.own = rows[self._world.rank], sum(rows)
        ended = [rank for rank, each in enumerate(rows) if not each]
        if len(ended) == len(rows):
            return None
        where, named = f"step {session.step + 1}", ", ".join(map(str, ended))
        if ended and self._policy == "error":
            raise uneven(f"rank {named} has no batch left, and others have", where)
        if ended and self._policy == "stop":
            log.info("%s: rank %s has no batch left, and the run ends; those of the others for this step are not used", where, named)
            return None
        if self._together and len(counts - {0}) > 1:
            raise uneven("a step has several batches, and a rank has only some of them left", where)
        if set(ended) - self._told:
            self._told |= set(ended)
            log.info("%s: rank %s has no batch left in this epoch, and adds nothing", where, named)
        if batch is None and self._last is None:
            raise DataError(f"rank {self._world.rank} was given no batch at all", where=where, fix="give every process some of the data")
        self._last = batch if batch is not None else self._last
        return self._last


def uneven(why: str, where: str) -> DataError:
    """The error of streams that do not end together."""
    fix = "give each process as many batches, or set trainer.strategy.uneven to continue or stop"
    return DataError("the shares of the processes do not end together", where=where, why=why, fix=fix)

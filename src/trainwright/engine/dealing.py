"""Which rows of a step a process takes: a step is cut into pieces as in one process, and they are dealt out one by one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

import torch
from torch import Tensor

from trainwright.data.sparse import rows_between
from trainwright.engine.pieces import Pieces
from trainwright.engine.plan import Plan
from trainwright.engine.system import Batch, rows_in

IDLE = 1 << 32
"""Randomness of a process without rows of its own begins here, beyond that of any row."""


class MicroBatch(NamedTuple):
    """What goes forward and backward at once."""

    first: int
    """Its first row within the step, from which its randomness follows."""
    batch: Batch
    counts: bool = True
    """Whether it is of the step; else it is there so that this process does what the others do."""
    ends: bool = True
    """Whether it is the last of the piece that was dealt."""


@dataclass(frozen=True)
class Share:
    """The part of a step that one process takes."""

    rows: int
    """Of the whole step, over all processes."""
    places: list[tuple[int, int]]
    """First and last+1 row of each piece read here, within the step."""
    real: int = 1
    """How many of them are taken here; the rest are read because a process reads something in every step."""
    pieces: int = 1
    """Of the whole step."""
    rank: int = 0
    size: int = 1
    ready: bool = False
    """Whether batches come ready: each process reads them all, and takes its part of the rows of each."""
    whole: bool = False
    """Whether all rows of the step are read, because transforms of batches want them."""
    norms: bool = False
    """Whether the system normalises over the batch, so that no micro-batch may be a single row left over."""
    own: tuple[int, int] | None = None
    """Where each process reads a share of its own: rows that this one has for the step, and all have."""

    def select(self, indices: Tensor) -> Tensor:
        """Of the indices of a step's rows (int64, b) those that are read here."""
        if self.ready or self.whole or self.size == 1:
            return indices
        if len(self.places) == 1:
            return indices[slice(*self.places[0])]
        return torch.cat([indices[start:end] for start, end in self.places])

    @property
    def first(self) -> int:
        """From which row on the randomness of the step follows here, outside of its micro-batches; 0 in one process."""
        return self.rank if self.ready else self.places[0][0] if self.real else IDLE + self.rank

    @property
    def weight(self) -> float:
        """The part of the step's rows that is taken here."""
        if self.own is not None:
            return self.own[0] / max(self.own[1], 1)
        return 1 / self.size if self.ready else sum(end - start for start, end in self.places[: self.real]) / self.rows


def deal(plan: Plan, rows: int, rank: int, size: int, *, whole: bool = False, together: bool = False) -> Share:
    """What process `rank` of `size` takes of a step of `rows` rows: every `size`-th piece.

    `whole`: it reads all rows all the same. `together`: all processes go through as many pieces.
    """
    if size == 1 or plan.ready:
        return Share(rows, [(0, rows)], 1, rows * size, rank, size, ready=plan.ready, norms=plan.batch_statistics)
    pieces = list(pairwise(cuts(rows, plan.dealt or rows, plan.batch_statistics)))
    mine = pieces[rank::size]
    missing = -(-len(pieces) // size) - len(mine) if together else not mine
    places = mine + pieces[:1] * missing
    return Share(rows, places, len(mine), len(pieces), rank, size, whole=whole, norms=plan.batch_statistics)


class Dealer:
    """Deals the steps of a run to one of its processes."""

    def __init__(self, rank: int = 0, size: int = 1, *, whole: bool = False, together: bool = False) -> None:
        """As in `deal`."""
        self.rank, self.size, self._whole, self._together = rank, size, whole, together
        self.own: tuple[int, int] | None = None
        """Rows that this process has of its own for the step at hand, and all have; None where rows are dealt out."""
        self._plan: Plan | None = None
        self._shares: dict[int, Share] = {}

    def share_of(self, plan: Plan, rows: int) -> Share:
        """What this process takes of a step of `rows` rows."""
        if self.own is not None:
            real = int(self.own[0] > 0)
            return Share(rows, [(0, rows)], real, rows * self.size, self.rank, self.size, ready=True, own=self.own)
        if plan is not self._plan:
            self._plan, self._shares = plan, {}
        found = self._shares.get(rows)
        if found is None:
            found = self._shares[rows] = deal(plan, rows, self.rank, self.size, whole=self._whole, together=self._together)
        return found

    def select(self, plan: Plan, indices: Tensor) -> Tensor:
        """Of the indices of a step's rows (int64, b) those that are read here."""
        return indices if self.size == 1 else self.share_of(plan, len(indices)).select(indices)


def describe_layout(plan: Plan) -> str:
    """How a step is shared out: `a step of 24 rows = 12 + 12`, in the order of ranks."""
    if plan.ready:
        return "each takes a part of the rows of every batch"
    shares = [deal(plan, plan.batch_size, rank, plan.ranks) for rank in range(plan.ranks)]
    taken = [sum(end - start for start, end in share.places[: share.real]) for share in shares]
    return f"a step of {plan.batch_size} rows = {' + '.join(map(str, taken))}"


def cuts(rows: int, size: int, norms: bool = False) -> list[int]:
    """Where pieces of at most `size` rows begin, and the end of the last.

    `norms`: no piece is one row left over, whose mean over the batch says nothing; with pieces of two the last one has three.
    """
    if rows <= size:
        return [0, rows]
    starts = [*range(0, rows, size), rows]
    if norms and rows % size == 1 and size > 1:
        if size > 2:
            starts[-2] -= 1
        else:
            del starts[-2]
    return starts


def micro_batches(batch: Batch, rows: int, size: int, together: bool = False) -> Iterator[Batch]:
    """The batch in pieces of at most `size` rows, as views; the batch itself when it is no larger; ready batches one by one."""
    ready = isinstance(batch, Pieces)
    return (each.batch for each in in_micro_batches(batch, Share(rows, [(0, rows)], ready=ready, norms=together), size))


def in_micro_batches(batch: Batch, share: Share, size: int) -> Iterator[MicroBatch]:
    """What was read of a step as micro-batches of at most `size` rows, as views; the batch itself when it is one."""
    if share.ready or isinstance(batch, Pieces):
        yield from _parts_of_ready(batch, share, size)
        return
    offset, read = 0, rows_read(share)
    for place, (start, end) in enumerate(share.places):
        begin = start if share.whole else offset
        offset += end - start
        alone = len(share.places) == 1 and end - start == (share.rows if share.whole else end - start)
        for first, last in pairwise(cuts(end - start, size, share.norms)):
            all_of_it = alone and last - first == end - start
            piece = batch if all_of_it else rows_at(batch, read, [(begin + first, begin + last)])
            yield MicroBatch(start + first, piece, place < share.real, last == end - start)


def _parts_of_ready(batch: Batch, share: Share, size: int) -> Iterator[MicroBatch]:
    """Ready batches one by one, of each the rows of this process; one that cannot be parted goes to a process as it is."""
    batches = list(batch) if isinstance(batch, Pieces) else [batch]
    for number, each in enumerate(batches):
        if share.own is not None:
            yield MicroBatch(number * share.size + share.rank, each, share.real > 0)
            continue
        part = each if share.size == 1 else part_of_ready(each, share.rank, share.size)
        yield MicroBatch(number * share.size + share.rank, each if part is None else part, part is not None)


def part_of_ready(batch: Batch, rank: int, size: int) -> Batch | None:
    """The rows of a ready batch that process `rank` takes: a part of `size` alike, contiguous; None where none is left."""
    rows = rows_in(batch)
    if not can_be_parted(batch, rows):
        return batch if rank == 0 else None
    length = -(-rows // size)
    start, end = min(rank * length, rows), min((rank + 1) * length, rows)
    return rows_at(batch, rows, [(start, end)]) if end > start else None


def can_be_parted(batch: Batch, rows: int) -> bool:
    """Whether a batch is made of tensors and lists, so that its rows can be told apart."""
    if isinstance(batch, Tensor):
        return batch.dim() > 0 and len(batch) == rows
    inside = list(batch.values()) if isinstance(batch, dict) else batch if isinstance(batch, list | tuple) else []
    return any(can_be_parted(each, rows) for each in inside)


def own_rows(batch: Batch, share: Share) -> tuple[Batch, float]:
    """Of what was read of a step the rows of this process in one batch, and which part of the step's they are; 0 for those of others."""
    if share.own is not None:
        return batch, share.weight
    if share.ready:
        parts = [part_of_ready(each, share.rank, share.size) for each in (batch if isinstance(batch, Pieces) else [batch])]
        if isinstance(batch, Pieces) or parts[0] is None:
            there = [each for each in parts if each is not None]
            return (Pieces(there) if isinstance(batch, Pieces) and there else batch), float(bool(there)) / share.size
        return parts[0], rows_in(parts[0]) / rows_in(batch)
    read, places = rows_read(share), share.places[: share.real] or share.places
    if not share.whole:
        places = [(0, sum(end - start for start, end in places))]
    return (batch if places == [(0, read)] else rows_at(batch, read, places)), share.weight


def rows_read(share: Share) -> int:
    """How many rows are read here of a step."""
    return share.rows if share.whole else sum(end - start for start, end in share.places)


def rows_at(column: Any, rows: int, places: list[tuple[int, int]]) -> Any:
    """Rows of a batch or a column from each place to another: of a tensor, a list of as many things (texts), or of what it holds in turn;
    else the whole."""
    if isinstance(column, Tensor):
        if not column.dim() or len(column) != rows:
            return column
        found = [rows_between(column, start, end) for start, end in places]
        return found[0] if len(found) == 1 else torch.cat(found)
    if type(column) is list and len(column) == rows:
        return [each for start, end in places for each in column[start:end]]
    if isinstance(column, dict):
        inside = {name: rows_at(each, rows, places) for name, each in dict.items(column)}
        return inside if type(column) is dict else type(column)(inside)
    if isinstance(column, tuple) and hasattr(column, "_fields"):
        return type(column)(*(rows_at(each, rows, places) for each in column))
    if isinstance(column, list | tuple):
        return type(column)(rows_at(each, rows, places) for each in column)
    return column

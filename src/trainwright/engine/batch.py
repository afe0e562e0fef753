"""The arithmetic of a step: batch = micro-batch × accumulation, exactly or not at all."""

from __future__ import annotations

import math
from typing import NamedTuple

from trainwright.config.errors import ConfigError

WHERE = "trainer.batch_size"


class Sizes(NamedTuple):
    """Rows per step, rows per piece (the last one may have fewer), and pieces per step."""

    batch_size: int
    micro_batch_size: int
    accumulation: int

    def as_options(self) -> str:
        """The three as options of the configuration."""
        return f"batch_size: {self.batch_size}, micro_batch_size: {self.micro_batch_size}, accumulation: {self.accumulation}"


def realise_sizes(
    batch_size: int | None, micro_batch_size: int | None, accumulation: int | None, rows: int | None, default: int, limit: int | None = None
) -> Sizes:
    """The sizes that meet the request; `default` rows per step, or `limit`, where the batch is left open; never more than `rows`.

    A micro-batch that does not divide the batch leaves a smaller last piece, which is exact all the same: gradients are weighted by
    items. Raises ConfigError, with the nearest requests that can be met, for one that cannot.
    """
    batch = batch_size or _open_batch(micro_batch_size, accumulation, rows, default if limit is None else min(default, limit))
    micro = micro_batch_size or math.ceil(batch / (accumulation or 1))
    pieces = accumulation or math.ceil(batch / micro)
    _check(Sizes(batch, micro, pieces), exact=bool(batch_size and micro_batch_size and accumulation))
    if limit is not None and batch > limit:
        fix = f"raise trainer.max_batch_size, or ask for {limit} at most"
        raise ConfigError(f"a batch of {batch} is above max_batch_size, {limit}", where=WHERE, fix=fix)
    batch = batch if rows is None else min(batch, rows)
    micro = min(micro, batch)
    return Sizes(batch, micro, math.ceil(batch / micro))


def _open_batch(micro: int | None, accumulation: int | None, rows: int | None, default: int) -> int:
    """The batch that a request without one means: what the others say, else the default, as near as they allow."""
    if micro and accumulation:
        return micro * accumulation
    batch = default if rows is None else min(default, rows)
    if accumulation:
        return max(round(batch / accumulation), 1) * accumulation
    return max(batch, micro or 1)


def _check(asked: Sizes, exact: bool) -> None:
    batch, micro, accumulation = asked
    if exact and batch != micro * accumulation:
        why = f"{accumulation} pieces of {micro} are {micro * accumulation} rows, not {batch}"
        fix = f"{_list_sizes(nearest_exact(asked))}; or leave accumulation out: {math.ceil(batch / micro)} pieces, the last one smaller"
        fix = _list_sizes(nearest_exact(asked)) if micro > batch else fix
        raise ConfigError("batch, micro-batch and accumulation do not fit each other", where=WHERE, why=why, fix=fix)
    if micro > batch:
        fix = _list_sizes([Sizes(batch, batch, 1), Sizes(micro, micro, 1)])
        raise ConfigError(f"a piece of {micro} rows is more than a batch of {batch}", where=WHERE, fix=fix)
    if math.ceil(batch / micro) != accumulation:
        why = f"pieces of {micro} make {math.ceil(batch / micro)}" if accumulation <= batch else "a piece has at least one row"
        fix = _list_sizes([*nearest_exact(asked), Sizes(batch, micro, math.ceil(batch / micro))])
        raise ConfigError(f"{batch} rows cannot be parted into {accumulation} pieces of one size", where=WHERE, why=why, fix=fix)


def nearest_exact(asked: Sizes) -> list[Sizes]:
    """Sizes with batch = micro-batch × accumulation that keep one or two of the numbers asked for, the least changed first."""
    batch, micro, accumulation = asked
    by_pieces, by_micro = max(round(batch / accumulation), 1), max(round(batch / micro), 1)
    found = {
        Sizes(micro * accumulation, micro, accumulation),
        Sizes(by_pieces * accumulation, by_pieces, accumulation),
        Sizes(by_micro * micro, micro, by_micro),
    }
    if batch % accumulation == 0:
        found.add(Sizes(batch, batch // accumulation, accumulation))
    if batch % micro == 0:
        found.add(Sizes(batch, micro, batch // micro))

    def change(each: Sizes) -> tuple[int, bool, float]:
        """Numbers changed, whether the batch is among them, and by how much."""
        ratios = [abs(math.log(new / old)) for new, old in zip(each, asked, strict=True)]
        return sum(map(bool, ratios)), each.batch_size != batch, sum(ratios)

    return sorted(found, key=change)


def _list_sizes(sizes: list[Sizes]) -> str:
    return "; or ".join(each.as_options() for each in list(dict.fromkeys(sizes))[:3])


def steps_in_epoch(rows: int, batch_size: int, batch_statistics: bool = False) -> int:
    """Steps that pass over all rows once; with batch statistics a single row left over joins the step before it."""
    steps = math.ceil(rows / batch_size)
    return steps - 1 if batch_statistics and steps > 1 and batch_size > 1 and rows % batch_size == 1 else steps


def largest_step(rows: int, batch_size: int, steps_per_epoch: int) -> int:
    """Rows of the largest step of an epoch."""
    return max(batch_size, rows - (steps_per_epoch - 1) * batch_size)

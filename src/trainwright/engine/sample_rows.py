"""Rows of a split and samples of a system in one form, piece by piece over the processes of a run, and their features in order."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from trainwright.config.errors import ConfigError, DataError
from trainwright.data.counters import fold
from trainwright.data.rows import Rows
from trainwright.engine.evaluation import EvaluationInterrupted, starts_of, take_in_order
from trainwright.engine.joint_metric import Turns
from trainwright.engine.sampling import without_trace
from trainwright.engine.system import Batch, to_device
from trainwright.metrics.extractor import Extractor, bytes_of
from trainwright.metrics.feature_sets import number_keys
from trainwright.metrics.reference import ReferenceFacts
from trainwright.nn.modes import eval_mode

if TYPE_CHECKING:
    from trainwright.engine.session import Session

AT_ONCE = 64
"""Real rows that are looked at together, whatever the batches of an evaluation."""

Made = Callable[[int, int], Tensor]
"""(first, end) → rows of these numbers."""
Pieces = tuple[int, int, Turns]
"""How many rows there are, how many make a piece, and which pieces this process makes."""


def real_rows(session: Session, rows: Rows) -> Made:
    """What reads rows of a split in the form of samples."""
    system, device = session.system, session.device

    def read(first: int, end: int) -> Tensor:
        batch: Batch = system.as_evaluated(to_device(take_in_order(rows, first, end, session.parts.interrupts), device))
        with torch.no_grad(), eval_mode(system):
            return as_rows(system.as_samples(batch), f"{system.shown_name}.as_samples")

    return read


def draw_numbered(session: Session, first: int, count: int, seed: int) -> Tensor:
    """So many samples of the seed, from number `first` on. Raises ConfigError for what cannot be measured."""
    parts, system = session.parts, session.system
    where = f"{system.shown_name}.sample"
    with without_trace(system, fold(seed, "sampling", first), parts.device, parts.precision.evaluation()):
        rows = as_rows(system.sample_numbered(first, count, seed), where)
    if len(rows) != count:
        raise ConfigError(f"sample gave {len(rows)} of {count} samples", where=where, fix="give n of them")
    return rows


def as_rows(given: Any, where: str) -> Tensor:
    """The one tensor of numbers in what a system gave, rows first, of float32 or float64. Raises ConfigError where there is none."""
    if isinstance(given, dict) and len(given) == 1:
        given = next(iter(given.values()))
    if isinstance(given, list) and given and all(isinstance(each, Tensor) and each.shape == given[0].shape for each in given):
        given = torch.stack(given)
    if not isinstance(given, Tensor) or given.dim() < 2:
        why = f"it gave a {type(given).__name__}" + (f" of shape {tuple(given.shape)}" if isinstance(given, Tensor) else "")
        raise ConfigError("these samples cannot be measured", where=where, why=why, fix="give one tensor, rows first")
    return given if given.dtype == torch.float64 else given.float()


def rounds(session: Session, pieces: Pieces, work: Callable[[int, int], Any]) -> Iterator[Any]:
    """What `work(first, end)` gave of all pieces in their order, each made by one process and known to all.

    Raises EvaluationInterrupted between two rounds once a signal was heard.
    """
    rows, unit, turns = pieces
    interrupts, world = session.parts.interrupts, session.parts.strategy.data_world
    for start, counts in starts_of(rows, unit, turns):
        interrupts.agree_now()
        if interrupts.requested:
            raise EvaluationInterrupted
        made = work(start, min(start + unit, rows)) if start < rows else None
        told = world.gather((counts, made)) if turns.size > 1 else [(counts, made)]
        yield from (each for known, each in told if known)


def features_in_order(
    session: Session, extractors: Sequence[Extractor], make: Made, pieces: Pieces, side: str
) -> Iterator[tuple[list[Tensor], Any]]:
    """Features of all rows in their order by each extractor, with keys by their numbers."""
    number = 0

    def work(first: int, end: int) -> list[Tensor]:
        rows = make(first, end)
        return [each(rows) for each in extractors]

    for features in rounds(session, pieces, work):
        count = len(features[0])
        yield features, number_keys(side, number, count)
        number += count


def facts_of(session: Session, rows: Rows, read: Made, turns: Turns, identity: str) -> ReferenceFacts:
    """A digest of the values of all rows in their order, of which shape they are, and how many. Raises DataError for several shapes."""
    made, count, shapes = hashlib.blake2b(digest_size=16), 0, set()

    def look(first: int, end: int) -> tuple[bytes, int, tuple[int, ...]]:
        found = read(first, end)
        bad = int((~found.isfinite()).flatten(1).any(1).sum())
        if bad:
            raise DataError("real rows have values that are no numbers", where="trainer.sample_metrics", why=f"in {bad} rows from {first}")
        return hashlib.blake2b(bytes_of(found), digest_size=16).digest(), len(found), tuple(found.shape[1:])

    if rows.batched:
        rows.begin_epoch(0, 0)
    for digest, length, shape in rounds(session, (len(rows), 1 if rows.batched else AT_ONCE, turns), look):
        made.update(digest)
        count += length
        shapes.add(shape)
    if len(shapes) != 1:
        what = f"real rows have different shapes: {', '.join(map(str, sorted(shapes)[:3]))}" if shapes else "there are no real rows"
        raise DataError(what, where="trainer.sample_metrics", fix="make all of one size first, in one way")
    return ReferenceFacts(made.hexdigest(), identity, "×".join(map(str, shapes.pop())), str(count))

"""A few rows measured before the first step, so that a mistake there is not met after the first epoch."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from trainwright.data.rows import FirstRows, Rows
from trainwright.data.several_rows import InTurnRows
from trainwright.engine.evaluation import Summing, add_logged, compute_numbers, metric_of, walk_split
from trainwright.engine.feed import InOrder

if TYPE_CHECKING:
    from trainwright.engine.session import Session


def sanity_check(session: Session) -> None:
    """Try a few batches of the validation split, so that a mistake there is met before the first step; it leaves no trace.

    Of several loaders as many of each.
    """
    batches = session.config.sanity_check
    if session.validation is None or not batches or session.step:
        return
    hooks, system, size = session.parts.hooks, session.system, session.parts.evaluation_batch_size
    measures = system.own_metrics
    for hook in hooks.on_sanity_check_start:
        hook(session, system)
    rows = session.validation.rows if isinstance(session.validation, InOrder) else session.validation
    head: Rows  # too few for workers
    if isinstance(rows, InTurnRows):
        head = InTurnRows(rows.all, batches)
    else:
        head = FirstRows(rows, batches * (1 if rows.batched else size))
    with session.clock.timing.phase("evaluate"):
        metric = metric_of(system)
        walk_split(session, head, "validation", Summing(system, metric, rows))
        sampled = session.parts.sample_metrics
        named = {} if sampled is None else dict.fromkeys(sampled.try_out(session, head), math.nan)
        if measures:  # what a person's own metrics give is looked at before the first step
            session.monitor.value(add_logged(system, compute_numbers(metric)) | named)
    for hook in hooks.on_sanity_check_end:
        hook(session, system)

"""Intervals of the metrics of a table's rows, drawn by row or by groups of them, and what of each class the numbers are made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from trainwright.config.model import PartConfig
from trainwright.data.source import Source, known_columns
from trainwright.data.splits.base import codes_of
from trainwright.data.splits.groups import groups_in
from trainwright.metrics import intervals
from trainwright.metrics.bootstrap import resampler_of
from trainwright.metrics.group_bootstrap import GroupResampler
from trainwright.metrics.interval_options import IntervalOptions
from trainwright.metrics.outcome import Outcome
from trainwright.systems.run_config import Config

WHERE = "evaluation.intervals.by"


def interval_column(config: Config) -> str:
    """The column whose values are drawn: the one that is asked for, else that by which the split keeps rows together; empty for rows."""
    asked, split = config.evaluation.intervals, config.data.split
    if asked is None:
        return ""
    return asked.by or getattr(split, "groups", None) or (split.column if split.type == "grouped" else "") or ""


def ensure_interval_column(config: Config, source: Source) -> None:
    """Raise DataError where intervals are asked for by a column that the source has not, before anything is trained."""
    if by := interval_column(config):
        known_columns([by], source.schema, WHERE)


def measure_intervals(
    asked: IntervalOptions,
    column: str,
    outcomes: Mapping[str, Outcome],
    metrics: Mapping[str, Sequence[PartConfig]],
    source: Source | None,
    rows: np.ndarray,
    seed: int,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Target → metric → interval, and target → what was drawn; `rows`: of the source, in the order of the outcomes' rows.

    Raises DataError for a column that the source has not.
    """
    groups = read_groups(source, column, rows) if column and source is not None else None
    bounds, drawn = {}, {}
    for name, outcome in outcomes.items():
        resampler = resampler_of(len(outcome), groups, asked.resamples, seed)
        bounds[name] = intervals(outcome, metrics[name], level=asked.level, resampler=resampler)
        drawn[name] = {**resampler.describe(), "by": column, "level": asked.level}
        if isinstance(resampler, GroupResampler):
            drawn[name]["absent"] = resampler.absent(outcome)
    return bounds, drawn


def read_groups(source: Source, column: str, rows: np.ndarray) -> np.ndarray:
    """The group of each row, numbered without gaps; a row without a value is one of its own. Raises DataError for no such column."""
    known_columns([column], source.schema, WHERE)
    values = source.read(rows, [column])[column]
    return groups_in(values, codes_of(values)[0])[0]

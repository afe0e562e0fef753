"""What was assumed of the targets and of the order of the rows, and the line that changes it."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from trainwright.config.errors import DataError
from trainwright.config.model import PartConfig
from trainwright.config.places import spell_key
from trainwright.data.source import Source
from trainwright.data.splits.base import whole_columns
from trainwright.data.splits.time import as_times, date_order
from trainwright.domains.tables.columns import DECLARED, GIVEN, Column

SHUFFLED = ("auto", "random", "stratified")
"""Splits that take no notice of time."""
TIME = re.compile(r"(^|[_\s.-])(date|time|timestamp|day|week|month|quarter|year|yr|period|ym)s?$", re.IGNORECASE)
"""Names of columns that say when a row is of."""
FEWEST_TIMES = 5
COUNTED = 100
"""A target of whole numbers with at most so many different values could be classes as well."""
YEARS = (1900, 2100)


def assume_of_targets(columns: Sequence[Column]) -> list[str]:
    """What was assumed of targets of whole numbers whose type nobody gave: counts, ratings and years can be meant either way."""
    return [said for column in columns if column.role == "target" and (said := _of_target(column))]


def _of_target(column: Column) -> str:
    profile, given = column.profile, column.why in (GIVEN, DECLARED)
    if given or not profile.all_integer or profile.unique_capped or profile.minimum is None or profile.maximum is None:
        return ""
    low, high, key = profile.minimum, profile.maximum, spell_key(("columns", column.name))
    what = "years" if YEARS[0] <= low and high <= YEARS[1] else f"whole numbers from {low:g} to {high:g}"
    if column.type == "category":
        return f"target '{column.name}': {what} were taken for {profile.unique} classes without an order; {key}=number predicts a quantity"
    if column.type == "number" and 2 < profile.unique <= COUNTED:
        return f"target '{column.name}': {what} were taken for a quantity; {key}=category takes the {profile.unique} values for classes"
    return ""


def assume_of_order(options: PartConfig, columns: Sequence[Column], source: Source) -> tuple[str, str]:
    """A column that all rows are in order of while the split is at random, and what to write instead; empty where there is none."""
    if options.type not in SHUFFLED:
        return "", ""
    for column in columns:
        if _says_when(column) and _is_ordered(source, column):
            key = f"data.split=time data.split.column={spell_key((column.name,))}"
            said = f"rows are in order of '{column.name}' and were split at random, so that test rows lie between training rows in time"
            return column.name, f"{said}; if later rows are to be predicted: {key}"
    return "", ""


def _says_when(column: Column) -> bool:
    """Whether a column holds times: dates, or what is named so."""
    return column.role != "target" and column.profile.unique >= FEWEST_TIMES and (column.type == "date" or bool(TIME.search(column.name)))


def _is_ordered(source: Source, column: Column) -> bool:
    values = whole_columns(source, [column.name])[column.name]
    try:
        times = as_times(values, column.name, date_order(values, getattr(column.options, "order", "auto")))
    except DataError:
        return False
    moves = np.diff(times[np.isfinite(times)])
    return len(moves) > 0 and bool((moves >= 0).all() or (moves <= 0).all()) and bool((moves != 0).any())

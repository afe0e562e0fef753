"""The one function that divides the rows of a source, by whichever split the options name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from trainwright.config.model import PartConfig
from trainwright.config.registry import build
from trainwright.data.source import Source
from trainwright.data.splits.base import RowsToDivide, Split, check_split
from trainwright.data.splits.labels import label_notes


def make_split(
    options: PartConfig,
    source: Source,
    seed: int,
    targets: list[str],
    kinds: dict[str, str],
    keep: np.ndarray | None = None,
    hashes: np.ndarray | None = None,
    orders: Mapping[str, str] | None = None,
    joins: Mapping[str, Sequence[str]] | None = None,
    predicted: bool = True,
) -> Split:
    """Divides the rows of a source.

    Args:
        options: which split, and its options.
        source: the rows.
        seed: the same seed divides the same rows alike; the options may have one of their own.
        targets: columns to be predicted; rows where one is missing are in no split.
        kinds: column name → feature type.
        keep: bool per row; rows that are False are in no split.
        hashes: uint64 per row, recorded with the split (see `row_hashes`).
        orders: column name → `day_first` or `month_first`, where it was given how dates are read.
        joins: column name → which spellings of its values are one (see `spelling.key_of`).
        predicted: whether targets are predicted; a model that is told them, and makes the rest, can do with one class in a part.

    Raises:
        DataError: too few rows, an empty split, one class only in a split, or a column that does not say what it should.
    """
    own = getattr(options, "seed", None)
    rows = RowsToDivide.of(source, seed if own is None else own, targets, kinds, keep)
    rows.orders, rows.joins = orders or {}, joins or {}
    split = build("split", options).divide(rows)
    split.hashes, split.seed = hashes, rows.seed
    checked = check_split(split, rows, predicted)
    checked.notes += label_notes(checked, rows)
    return checked


def with_files(options: PartConfig, source: Source, memory_limit: int) -> Source:
    """The source followed by the validation and test files of a `files` split; the source itself for any other split."""
    if options.type != "files":
        return source
    from trainwright.data.splits.files import join_sources

    return join_sources(options, source, memory_limit)

"""From a configuration to encoded rows: source, column types, split, leaks, duplicates; every check is made before a run is started."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from trainwright.config.domains import column_kind
from trainwright.config.errors import DataError
from trainwright.config.own_arguments import read_arguments
from trainwright.config.registry import load
from trainwright.data.checks import Duplicates, Leak, check_targets, duplicates_across, leaks, missing_target_rows, seen_inputs
from trainwright.data.expressions.selected import SelectedSource
from trainwright.data.expressions.syntax import expression_columns
from trainwright.data.hashing import row_hashes
from trainwright.data.inference import infer, join_spellings
from trainwright.data.number_source import NumberSource, read_numbers
from trainwright.data.profile import ColumnProfile, profile
from trainwright.data.source import Source, TableSource, header_below, known_columns, other_sheets, other_targets
from trainwright.data.sources.opening import open_source
from trainwright.data.splits.base import RowsToDivide, Split
from trainwright.data.splits.dividing import make_split, with_files
from trainwright.data.splits.files import refuse_lacking
from trainwright.domains.declared import find_declared, refuse_untrainable, say_divided, take_declared
from trainwright.domains.tables.assumptions import assume_of_order, assume_of_targets
from trainwright.domains.tables.baseline_columns import check_baselines
from trainwright.domains.tables.calibration import check_calibration
from trainwright.domains.tables.columns import Column, check_names, plan_columns, targets_of
from trainwright.domains.tables.derivations import leave_out_derivations
from trainwright.domains.tables.encoders import check_members, check_one_hot
from trainwright.domains.tables.measured_intervals import ensure_interval_column, interval_column
from trainwright.domains.tables.sampling import Sampling, sampling_of
from trainwright.domains.tables.targets import check_columns, check_encoded, check_weights, find_weights, is_read_later
from trainwright.features.encoding import EncodedTable
from trainwright.features.kept import keep_columns
from trainwright.features.own_types import ensure_remembered
from trainwright.features.spec import DataSpec
from trainwright.systems.run_config import Config
from trainwright.systems.views import make_views

log = logging.getLogger(__name__)


@dataclass
class PreparedData:
    """Everything that is known of the data before training."""

    source: Source
    columns: list[Column]
    targets: list[str]
    split: Split
    duplicates: Duplicates
    leaks: list[Leak]
    table: EncodedTable
    unlabelled: np.ndarray
    """Source row numbers of rows without a target, which are in no split."""
    notes: list[str] = field(default_factory=list)
    sampling: Sampling | None = None
    """How training rows are drawn; None where each comes once in an epoch."""
    ordered_by: str = ""
    """The column that all rows are in order of, where it says when they are of and the split is at random."""
    seen: dict[str, np.ndarray] = field(default_factory=dict)
    """Split → source row numbers of its rows whose inputs are also those of a training row."""

    @property
    def spec(self) -> DataSpec:
        """What a system needs to build its modules."""
        return self.table.spec

    @property
    def inputs(self) -> list[str]:
        """Names of the input columns."""
        return [column.name for column in self.columns if column.role == "input"]

    def rows(self, split: str) -> np.ndarray:
        """Source row numbers of a split, in the order of its encoded rows."""
        return self.table.rows[getattr(self.table, split)]

    def seen_of(self, split: str) -> np.ndarray:
        """bool per row of a split, in the order of its encoded rows: whether its inputs are also those of a training row."""
        return np.isin(self.rows(split), self.seen.get(split, np.zeros(0, np.int64)))

    def in_source(self, rows: np.ndarray) -> np.ndarray:
        """The numbers that rows of the prepared source have in the data as given, of which `data.where` may leave some out."""
        return self.source.kept[rows] if isinstance(self.source, SelectedSource) else rows

    def of_source(self, rows: np.ndarray) -> np.ndarray:
        """What `in_source` was given."""
        return np.searchsorted(self.source.kept, rows) if isinstance(self.source, SelectedSource) else rows

    def describe(self) -> dict[str, Any]:
        """The content of data.json."""
        return {
            "source": {"name": self.source.name, "rows": len(self.source), "fingerprint": self.source.fingerprint()},
            **({"selection": self.source.describe()} if isinstance(self.source, SelectedSource) else {}),
            "columns": [self._describe_column(column) for column in self.columns],
            "dropped_rows": self._describe_dropped(),
            "leaks": [
                {
                    "column": leak.column,
                    "target": leak.target,
                    "strength": leak.strength,
                    "exact": leak.exact,
                    "why": leak.why,
                    "excluded": leak.column not in self.inputs,
                }
                for leak in self.leaks
            ],
            **({"sampling": self.sampling.describe()} if self.sampling else {}),
            "duplicates": {**self.duplicates.summary(), "seen_inputs": {name: len(rows) for name, rows in self.seen.items() if len(rows)}},
            "split": {
                "method": self.split.method,
                "seed": self.split.seed,
                "train": len(self.table.train),
                "validation": len(self.table.validation),
                "test": len(self.table.test),
                "notes": self.split.notes,
            },
            "notes": self.notes,
        }

    def _describe_dropped(self) -> list[dict[str, Any]]:
        dropped = [{**each.summary(), "rows": self.in_source(each.rows[:10]).tolist()} for each in self.table.dropped]
        if len(self.unlabelled):
            rows = self.in_source(self.unlabelled[:10]).tolist()
            dropped.insert(0, {"reason": "no target", "count": len(self.unlabelled), "rows": rows})
        if isinstance(self.source, SelectedSource) and len(left := self.source.left_out):
            dropped.insert(0, {"reason": "data.where", "count": len(left), "rows": left[:10].tolist()})
        return dropped

    def _policy(self, name: str) -> str:
        """What happens to missing values of a column, in words; empty for one that is left out."""
        feature = self.table.encoder.features.get(name)
        if feature is None:
            return ""
        done = (column_kind(feature.kind).missing or feature.policy) if feature.policy == "auto" else feature.policy
        return f"{done}, and told to the model" if feature.has_indicator and feature.policy != "indicator" else done

    def _describe_column(self, column: Column) -> dict[str, Any]:
        return {
            "name": column.name,
            "type": column.type,
            "why": column.why,
            "role": column.role,
            "missing": column.profile.missing,
            "unique": column.profile.unique,
            "unique_capped": column.profile.unique_capped,
            "examples": [str(each) for each in column.profile.examples],
            "policy": self._policy(column.name),
            "warnings": column.warnings,
        }


def prepare(config: Config, source: Source | None = None, directory: Path | None = None) -> PreparedData:
    """Reads, checks, splits and encodes the data; large tables are encoded to files in `directory`. Writes nothing else.

    Raises DataError or ManyErrors for anything in the data or the names of columns that cannot be used.
    """
    source, numbers, targets = open_columns(config, source)
    joins = _joins(config)
    columns, profiles = _plan(config, source, targets, numbers, joins)
    check_members(config, columns)
    check_weights(config, columns, source.name)
    ensure_interval_column(config, source)
    notes = refuse_lacking(source, _find_used(config, columns), targets)
    kinds = {column.name: column.type if is_read_later(column) else column_kind(column.type).target or column.type for column in columns}
    check_targets(source, {name: kinds[name] for name in targets}, profiles)
    hashes = row_hashes(source)
    split = make_split(config.data.split, source, config.run.seed, targets, kinds, hashes=hashes, orders=_orders(columns), joins=joins)
    notes += source.notes + say_divided(source, split)
    duplicates = duplicates_across(source, hashes, split, targets)
    split = _apply_duplicates(config.data.duplicates, duplicates, split, notes, source.name)
    inputs = [column.name for column in columns if column.role == "input" and not _is_lazy(column)]
    known = [column.name for column in columns if column.role == "target" and not _is_lazy(column)]
    found = leaks(source, inputs, known, kinds, split.train, joins) if known else []
    columns = _apply_leaks(config, columns, found, source.name)
    seen = seen_inputs(source, hashes, split, [column.name for column in columns if column.role != "input"])
    table = EncodedTable.fit(
        source,
        split,
        {column.name: column.options for column in columns},
        [column.name for column in columns if column.role == "input"],
        targets,
        tied=config.system.model.tied,
        window=config.data.window,
        memory_limit=int(config.data.memory_limit),
        directory=directory,
        seed=config.run.seed,
        weights=config.data.weights,
    )
    check_encoded(table)
    if config.evaluation.views:
        make_views(table.spec, config.evaluation.views)  # raises for what cannot be, before anything is learnt
    check_calibration(config.evaluation.calibration, table)
    check_baselines(config.evaluation.baselines, columns, table.encoder.features)
    check_one_hot(config, table.spec)
    ensure_remembered(table.encoder.features, source, table.rows)
    notes += table.notes() + keep_columns(table.encoder.features, config.data) + assume_of_targets(columns)
    ordered_by, said = assume_of_order(config.data.split, columns, source)
    notes += [said] if said else []
    sampling = sampling_of(config.data.sampling, table, source, config.run.seed)
    pa.default_memory_pool().release_unused()  # what reading in pieces took is of no use to training
    unlabelled = missing_target_rows(source, targets)
    return PreparedData(source, columns, targets, split, duplicates, found, table, unlabelled, notes, sampling, ordered_by, seen)


def look_for_columns(config: Config) -> None:
    """Raises DataError or ManyErrors for a source that cannot be opened, and for names that are not its columns."""
    source, _, _ = open_columns(config)
    check_names(config, source.schema.names, source.name, other_sheets(source))
    find_weights(config, source.schema.names, source.name)
    split = config.data.split
    named = [getattr(split, "column", None), getattr(split, "groups", None), *getattr(split, "columns", [])]
    known_columns([each for each in named if each], source.schema, "data.split")
    ensure_interval_column(config, source)


def open_columns(config: Config, source: Source | None = None) -> tuple[Source, Mapping[str, Any], list[str]]:
    """The source with its derived columns and the rows that are wanted, how its written numbers are read, and the targets."""
    if config.parser:
        read_arguments(config.parser, config.arguments)
    source = open_named(config, source)
    take_declared(config, source)
    source = with_files(config.data.split, source, int(config.data.memory_limit))
    source = read_numbers(source, _how_written(config))
    numbers = source.how if isinstance(source, NumberSource) else {}
    elsewhere = other_sheets(source) + header_below(source, config.system.targets) + other_targets(source)
    source = SelectedSource.of(source, config.data.where, config.data.derive)
    refuse_untrainable(config, source)
    targets = targets_of(config, source.default_targets, source.schema.names, source.name, elsewhere)
    return source, numbers, targets


def column_values(config: Config, column: str) -> list[str]:
    """The values of a column as text, in rows with a target, missing ones left out. Raises DataError where there is none of this name."""
    source, _, targets = open_columns(config)
    rows = RowsToDivide.of(source, 0, targets, {}, None)
    rows.joins = _joins(config)
    names = rows.codes(column)[1]
    return names[: len(names) - (1 if rows.column(column).null_count else 0)]


def _plan(
    config: Config, source: Source, targets: list[str], numbers: Mapping[str, Any], joins: Mapping[str, list[str]]
) -> tuple[list[Column], list[ColumnProfile]]:
    """What every column holds, and the part it plays; `numbers`: how written numbers are read, by column."""
    profiles = [join_spellings(each, joins.get(each.name, ())) for each in profile(source)]
    for each in profiles:
        each.numbers, each.offer = (numbers[each.name].how, numbers[each.name].offer) if each.name in numbers else ("", "")
    inferred = infer(profiles, targets, given_types(config))
    declared = find_declared(source, "declared_columns")
    columns = plan_columns(config, profiles, inferred, targets, source.name, other_sheets(source), declared)
    columns = leave_out_derivations(config, columns, targets, source)
    check_columns(columns)
    return columns, profiles


def _find_used(config: Config, columns: list[Column]) -> set[str]:
    """The columns of the table that inputs, targets, expressions and the split need."""
    split = {*getattr(config.data.split, "columns", []), *(getattr(config.data.split, each, None) or "" for each in ("column", "groups"))}
    named = {column.name for column in columns if column.role != "ignored"} | expression_columns(config.data.where, config.data.derive)
    return named | split | ({interval_column(config)} - {""}) | ({config.data.weights} if config.data.weights else set())


def open_named(config: Config, source: Source | None = None) -> Source:
    """The source of a configuration, or the one that was given; a row index that the configuration names is among its columns."""
    asked = config.system
    named = {*asked.targets, *asked.ignore, *asked.columns, *(asked.inputs if isinstance(asked.inputs, list) else [])}
    named |= expression_columns(config.data.where, config.data.derive)
    named |= {config.data.weights} if config.data.weights else set()
    named |= {*getattr(config.data.split, "columns", []), getattr(config.data.split, "column", None) or ""}
    if source is None:
        return open_source(config.data.source, int(config.data.memory_limit), sorted(named))
    return source.keeping(named) if isinstance(source, TableSource) else source


def _is_lazy(column: Column) -> bool:
    """Whether what stands in a column is not its value but where that is; paths are not looked at for leaks."""
    return bool(getattr(load("feature", column.type), "lazy", False))


def _joins(config: Config) -> dict[str, list[str]]:
    """Which spellings of a column's values are one, by column."""
    given = {name: options.model_dump(include={"join"}).get("join") for name, options in config.system.columns.items()}
    return {name: join for name, join in given.items() if isinstance(join, list) and join}


def _how_written(config: Config) -> dict[str, dict[str, Any]]:
    """What the configuration says of the numbers of columns: their type, and what stands between thousands and before decimals."""
    wanted = {"type", "thousands", "decimal"}
    return {name: options.model_dump(include=wanted) for name, options in config.system.columns.items()}


def _orders(columns: list[Column]) -> dict[str, str]:
    """The order of day and month of the columns for which it was given."""
    return {column.name: getattr(column.options, "order", "auto") for column in columns}


def given_types(config: Config) -> dict[str, str]:
    """The types that the configuration sets, by column."""
    return {name: options.type for name, options in config.system.columns.items() if options.type != "auto"}


def _apply_duplicates(policy: str, duplicates: Duplicates, split: Split, notes: list[str], where: str) -> Split:
    if policy == "report" or not duplicates.train_rows.size:
        return split
    count = duplicates.train_rows.size
    if policy == "error":
        raise DataError(
            f"{count} training rows are also in validation or test",
            where=where,
            why="a score on rows that were trained on says too much",
            fix="data.duplicates=drop leaves them out of training",
        )
    notes.append(f"{count} training rows that are also in validation or test were left out of training")
    return split.without_training(duplicates.train_rows)


def _apply_leaks(config: Config, columns: list[Column], found: list[Leak], where: str) -> list[Column]:
    """Leaves out the columns that are a target in other words; columns that were named as inputs stay, and are reported."""
    exact = {leak.column: leak for leak in found if leak.exact}
    if not exact or config.data.leaks == "report":
        return columns
    if config.data.leaks == "error":
        leak = next(iter(exact.values()))
        raise DataError(
            f"column '{leak.column}' gives the target '{leak.target}' away", where=where, why=leak.why, fix=f"ignore: [{leak.column}]"
        )
    named = config.system.inputs if isinstance(config.system.inputs, list) else []
    kept = [
        column.without(f"it is '{exact[column.name].target}' in other words: {exact[column.name].why}")
        if column.name in exact and column.name not in named and column.role == "input"
        else column
        for column in columns
    ]
    if not any(column.role == "input" for column in kept):
        raise DataError("every input column gives the target away", where=where, fix="data.leaks=report keeps them")
    return kept

"""From a configuration to encoded rows of what is to be made: source, columns, split, and what the network must know of them."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from trainwright.config.errors import ConfigError, DataError
from trainwright.config.own_arguments import read_arguments
from trainwright.config.registry import build
from trainwright.data.config import DataConfig
from trainwright.data.counters import fold, fold_each
from trainwright.data.expressions.selected import SelectedSource
from trainwright.data.expressions.syntax import expression_columns
from trainwright.data.hashing import row_hashes
from trainwright.data.number_source import read_numbers
from trainwright.data.profile import profile
from trainwright.data.rows import Rows
from trainwright.data.source import Source, TableSource
from trainwright.data.sources.opening import open_source
from trainwright.data.splits.base import Split
from trainwright.data.splits.dividing import make_split, with_files
from trainwright.data.transforms.batches import BatchTransforms
from trainwright.domains.declared import find_declared, say_divided, take_declared
from trainwright.domains.diffusion.columns import Parts, choose_parts, infer_roles
from trainwright.domains.diffusion.layout import Layout, find_layout
from trainwright.domains.diffusion.options import DiffusionOptions
from trainwright.domains.row_check import CheckedRows, check_rows
from trainwright.features.encoding import EncodedTable
from trainwright.features.kept import keep_columns
from trainwright.features.lazy import LazyFeature
from trainwright.features.table_rows import table_rows
from trainwright.systems.run_config import Config

log = logging.getLogger("trainwright.diffusion")

LOOKED_AT = 2048
"""Training rows of which range and deviation are measured."""
AT_ONCE = 64
UNUSED = ("weights", "sampling", "window", "transform", "leaks")
"""Options of `data` that mean something where a target is predicted alone."""


@dataclass
class PreparedRows:
    """Everything that is known of the data before training."""

    source: Source
    parts: Parts
    split: Split
    table: EncodedTable
    layout: Layout
    notes: list[str] = field(default_factory=list)

    def rows(self, split: str) -> Rows:
        """The encoded rows of a split, as the trainer takes them."""
        return table_rows(self.table, getattr(self.table, split), training=split == "train")


@dataclass(frozen=True)
class Found:
    """What was found in what is made, as the network is given it."""

    deviation: float
    low: float
    high: float
    rows: int


def prepare_rows(config: Config, source: Source | None = None) -> PreparedRows:
    """Reads, divides and encodes the data. Raises ConfigError, DataError or ManyErrors for what cannot be made."""
    refuse_unused(config.data)
    if config.parser:
        read_arguments(config.parser, config.arguments)
    source = open_columns(config, source)
    parts = find_parts(config.system, source)
    targets = [parts.label] if parts.label else []
    kinds = {name: each.type for name, each in parts.options.items()}
    split = make_split(config.data.split, source, config.run.seed, targets, kinds, hashes=row_hashes(source), predicted=False)
    inputs = [*parts.made, *parts.told]
    table = EncodedTable.fit(
        source, split, parts.options, inputs, targets, memory_limit=int(config.data.memory_limit), seed=config.run.seed
    )
    layout = find_layout(table.spec, parts.made, parts.told)
    notes = [*source.notes, *say_divided(source, split), *table.notes(), *keep_columns(table.encoder.features, config.data), *split.notes]
    return PreparedRows(source, parts, split, table, layout, notes)


def find_parts(asked: DiffusionOptions, source: Source) -> Parts:
    """The columns of a source by the parts they play. Raises ConfigError, DataError or ManyErrors for what cannot play one."""
    given = {name: each.type for name, each in asked.columns.items() if each.type != "auto"}
    targets = list(source.default_targets) if asked.condition is None else list(asked.condition)
    found = infer_roles(profile(source), [each for each in targets if each in source.schema.names], given)
    return choose_parts(asked, found, source.default_targets, find_declared(source, "declared_columns"), source.name)


def check_every_row(config: Config) -> CheckedRows:
    """Read every row, and the files that what is made and told names. Raises ConfigError or DataError for data that cannot be opened."""
    source = open_columns(config)
    parts = find_parts(config.system, source)
    features = [build("feature", options, name=name, target=name == parts.label) for name, options in parts.options.items()]
    return check_rows(source, [each for each in features if isinstance(each, LazyFeature)])


def open_columns(config: Config, source: Source | None = None) -> Source:
    """The source with its derived columns, and the rows that are wanted."""
    asked = config.system
    named = {*asked.of, *(asked.condition or []), *asked.columns, *expression_columns(config.data.where, config.data.derive)}
    if source is None:
        source = open_source(config.data.source, int(config.data.memory_limit), sorted(named))
    elif isinstance(source, TableSource):
        source = source.keeping(named)
    take_declared(config, source)
    source = with_files(config.data.split, source, int(config.data.memory_limit))
    wanted = {"type", "thousands", "decimal"}
    source = read_numbers(source, {name: each.model_dump(include=wanted) for name, each in asked.columns.items()})
    return SelectedSource.of(source, config.data.where, config.data.derive)


def refuse_unused(data: DataConfig) -> None:
    """Raise ConfigError for options of `data` that have no meaning where nothing is predicted."""
    default = type(data).model_fields
    for name in UNUSED:
        if name in data.model_fields_set and getattr(data, name) != default[name].get_default(call_default_factory=True):
            fix = "leave it out; transforms of one column stand at columns.NAME.transform" if name == "transform" else "leave it out"
            raise ConfigError(
                f"data.{name} has no effect on what is made", where=f"data.{name}", why="it is of columns that are predicted", fix=fix
            )


def look_at(rows: Rows, layout: Layout, transforms: BatchTransforms | None, seed: int) -> Found:
    """Range and deviation of what is made, of a sample of the rows that follows from the seed. Raises DataError for NaN."""
    keys = fold_each(fold(seed, "looked at"), torch.arange(len(rows)).numpy())
    chosen = torch.from_numpy(keys.argsort(kind="stable")[:LOOKED_AT].copy()).sort().values
    count, total, squares, low, high = 0, 0.0, 0.0, float("inf"), float("-inf")
    for some in torch.split(chosen, AT_ONCE):
        batch: Any = rows.take(some)
        value = layout.read(batch if transforms is None else transforms.always(batch)).double()
        ensure_finite(value, layout)
        count, total, squares = count + value.numel(), total + float(value.sum()), squares + float(value.square().sum())
        low, high = min(low, float(value.min())), max(high, float(value.max()))
    mean = total / max(count, 1)
    return Found(max(squares / max(count, 1) - mean**2, 0.0) ** 0.5, low, high, len(chosen))


def ensure_finite(value: Tensor, layout: Layout) -> None:
    """Raise DataError for values that are no numbers."""
    if bool(value.isfinite().all()):
        return
    name = layout.made.group.columns[layout.made.places[0]]
    bad = int((~value.isfinite()).flatten(1).any(1).sum())
    what = f"column '{name}' has NaN or infinite values in {bad} of {len(value)} rows that were looked at"
    raise DataError(what, where="system.of", why="a loss of them would be NaN", fix="correct them, or leave such rows out with data.where")

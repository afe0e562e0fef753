"""The columns of a table whose rows name files, before any row is divided or encoded."""

from __future__ import annotations

from collections.abc import Iterable

from trainwright.config.registry import build
from trainwright.data.expressions.selected import SelectedSource
from trainwright.data.inference import infer
from trainwright.data.profile import profile
from trainwright.data.source import Source
from trainwright.domains.column_options import column_options
from trainwright.domains.declared import take_declared
from trainwright.domains.row_check import CheckedRows, check_rows
from trainwright.domains.tables.prepare import given_types, open_named
from trainwright.features.lazy import LazyFeature
from trainwright.systems.run_config import Config


def check_table(config: Config) -> CheckedRows:
    """Read every row, and all that columns of files name. Raises DataError or ConfigError for data that cannot be opened."""
    source = open_named(config)
    take_declared(config, source)
    source = SelectedSource.of(source, config.data.where, config.data.derive)
    return check_rows(source, _lazy_columns(config, source))


def _lazy_columns(config: Config, source: Source) -> Iterable[LazyFeature]:
    known = list(source.schema.names)
    targets = config.system.targets or source.default_targets
    for each in infer(profile(source), targets, given_types(config)):
        options, _ = column_options(config.system.columns.get(each.name), each, known)
        if each.name in config.system.ignore or options.type == "ignore":
            continue
        feature = build("feature", options, name=each.name, target=each.name in targets)
        if isinstance(feature, LazyFeature):
            yield feature

"""Columns that a folder names by what they are, for a model that learnt from a table where they had names of a person's."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from trainwright.data.sniffing import TextForm
from trainwright.data.source import Source, TableSource
from trainwright.features.base import Feature


def later_source(data: Any, form: TextForm | None, columns: Collection[str], options: Mapping[str, Any], memory_limit: int) -> Source:
    """A source as it is; new rows as `later_rows` reads them, in pieces when larger than `memory_limit` bytes."""
    if hasattr(data, "batches"):
        source: Source = data
        return source
    from trainwright.data.sources.later import later_rows

    return later_rows(data, form, columns, memory_limit, options=options)


def stand_in(source: Source, inputs: Sequence[str], targets: Sequence[str], features: Mapping[str, Feature]) -> Source:
    """A folder's rows with its column of files called as the model's only input of that type, and its label as the only target.

    Other sources, and what is there or could be several, are left as they are.
    """
    if not isinstance(source, TableSource) or not source.declared_columns:
        return source
    found = _files(source, inputs, {name: features[name].kind for name in inputs}) | _labels(source, targets)
    return source.rename(found) if found else source


def _files(source: TableSource, inputs: Sequence[str], kinds: Mapping[str, str]) -> dict[str, str]:
    """Column of files → the only input of its type, where that is not there."""
    declared = {name: options.get("type") for name, options in source.declared_columns.items() if name in source.table.column_names}
    found: dict[str, str] = {}
    for kind in {kinds[name] for name in inputs}:
        lacking = [name for name in inputs if kinds[name] == kind and name not in source.table.column_names]
        there = [name for name, each in declared.items() if each == kind and name not in inputs]
        if len(lacking) == len(there) == 1 and sum(kinds[name] == kind for name in inputs) == 1:
            found[there[0]] = lacking[0]
    return found


def _labels(source: TableSource, targets: Sequence[str]) -> dict[str, str]:
    """The label → the only target, where that is not there."""
    names: list[Any] = source.table.column_names
    only = len(targets) == 1 and len(source.default_targets) == 1 and targets[0] not in names
    return {source.default_targets[0]: targets[0]} if only else {}

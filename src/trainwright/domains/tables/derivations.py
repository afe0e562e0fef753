"""Columns that are derived from a target, or that a target is derived from: no inputs, unless a person names them."""

from __future__ import annotations

from trainwright.data.expressions.selected import SelectedSource
from trainwright.data.source import Source
from trainwright.domains.tables.columns import Column
from trainwright.systems.run_config import Config


def leave_out_derivations(config: Config, columns: list[Column], targets: list[str], source: Source) -> list[Column]:
    """Leaves out, unless named as inputs, what a target is derived from and what is derived from one: it would give the target away."""
    if not isinstance(source, SelectedSource):
        return columns
    named = config.system.inputs if isinstance(config.system.inputs, list) else []
    under = {name: set(source.selection.columns_under([name])) for name in [*targets, *(column.name for column in columns)]}
    kept = []
    for column in columns:
        target = next((name for name in targets if under[column.name] & under[name]), None)
        if target is None or column.role != "input" or column.name in named or not {column.name, target} & set(source.derived):
            kept.append(column)
        elif column.name in source.derived:
            of_target = target in under[column.name]
            kept.append(column.without(f"derived from the target '{target}'" if of_target else f"derived from what '{target}' is"))
        else:
            kept.append(column.without(f"the target '{target}' is derived from it"))
    return kept

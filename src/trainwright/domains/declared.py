"""What a source says of its columns and of how its rows are divided, where the configuration says nothing of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from trainwright.config.choice import choice
from trainwright.config.compose import compose
from trainwright.config.located import validate, with_places
from trainwright.config.model import ConfigModel
from trainwright.data.splits.base import Split, codes_of
from trainwright.data.splits.groups import groups_in
from trainwright.systems.run_config import Config


class _Declared(ConfigModel):
    columns: dict[str, choice("feature")] = {}  # type: ignore[valid-type]
    split: choice("split") | None = None  # type: ignore[valid-type]


def take_declared(config: Config, source: Any) -> None:
    """Put what the source declares under what the configuration says of columns and split, so that it is written down with the run."""
    asked = config.system.columns
    columns = {name: put_under_given(options, asked.get(name)) for name, options in find_declared(source, "declared_columns").items()}
    columns = {name: options for name, options in columns.items() if options is not None}
    said_nothing = config.data.split.type == "auto" and not config.data.split.model_fields_set - {"type"}
    split = find_declared(source, "declared_split") if said_nothing else {}
    _keep_groups(config, declared_groups(source))
    if not columns and not split:
        return
    found = validate(_Declared, compose(_Declared, {"columns": columns, **({"split": dict(split)} if split else {})}, environment={}))
    asked.update(found.columns)
    if found.split is not None:
        config.data.__dict__["split"] = found.split  # frozen for others; here it is still being made
        config.data.model_fields_set.add("split")


def refuse_untrainable(config: Config, source: Any) -> None:
    """Raises what a source has against training on its rows; that they have nothing to predict, only where no target is named."""
    refusal = find_attribute(source, "refusal")
    if refusal is not None and (find_attribute(source, "default_targets") or not config.system.targets):
        raise refusal


def declared_groups(source: Any) -> str:
    """The column whose values a source keeps in one split; empty where it says nothing of such."""
    said = find_declared(source, "declared_split")
    return str(said.get("groups") or (said.get("column") if said.get("type") == "grouped" else "") or "")


def _keep_groups(config: Config, groups: str) -> None:
    """Let folds that are made keep together what the source does, unless the configuration says something of groups."""
    split = config.data.split
    if groups and split.type == "kfold" and split.column is None and "groups" not in split.model_fields_set:
        config.data.__dict__["split"] = split.model_copy(update={"groups": groups})  # frozen for others; here it is still being made


def say_divided(source: Any, split: Split) -> list[str]:
    """What is said of groups that a source keeps together and the split has divided."""
    column = declared_groups(source)
    if not column or column not in source.schema.names:
        return []
    values = source.read(columns=[column])[column]
    groups = groups_in(values, codes_of(values)[0])[0]
    part = np.full(len(source), -1)
    for place, rows in enumerate(split.parts().values()):
        part[rows] = place
    pairs = np.unique(np.stack([groups, part], 1)[part >= 0], axis=0)
    divided, whole = int((np.bincount(pairs[:, 0]) > 1).sum()), len(np.unique(pairs[:, 0]))
    why = "a model is tested on what it has learnt of them"
    return [f"{divided:,} of {whole:,} values of '{column}' have rows in several splits, and {why}"] if divided else []


def find_declared(source: Any, name: str) -> Mapping[str, Any]:
    """What a source, or the one that it wraps, declares under a name; empty where none does."""
    return dict(find_attribute(source, name) or {})


def find_attribute(source: Any, name: str) -> Any:
    """What a source, or the one that it wraps, has under a name; None where none has anything."""
    while source is not None and not isinstance(source, str):
        if found := getattr(source, name, None):
            return found
        source = getattr(source, "source", None)
    return None


def put_under_given(options: Mapping[str, Any], given: Any) -> dict[str, Any] | None:
    """The options that a source declares for a column, under those that are given; None where another type is given."""
    if given is None:
        return dict(options)
    if given.type not in ("auto", options.get("type")):
        return None
    asked = with_places(given, given.model_dump(mode="json", exclude_unset=True))
    return {**options, **{name: each for name, each in asked.items() if name != "type"}}

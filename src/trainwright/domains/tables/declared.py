"""What a source says of its columns and of how its rows are divided, where the configuration says nothing of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trainwright.config.choice import choice
from trainwright.config.compose import compose
from trainwright.config.located import validate
from trainwright.config.model import ConfigModel
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
    if not columns and not split:
        return
    found = validate(_Declared, compose(_Declared, {"columns": columns, **({"split": dict(split)} if split else {})}, environment={}))
    asked.update(found.columns)
    if found.split is not None:
        config.data.__dict__["split"] = found.split  # frozen for others; here it is still being made
        config.data.model_fields_set.add("split")


def find_declared(source: Any, name: str) -> Mapping[str, Any]:
    """What a source, or the one that it wraps, declares under a name; empty where none does."""
    while source is not None and not isinstance(source, str):
        found = getattr(source, name, None)
        if found:
            return dict(found)
        source = getattr(source, "source", None)
    return {}


def put_under_given(options: Mapping[str, Any], given: Any) -> dict[str, Any] | None:
    """The options that a source declares for a column, under those that are given; None where another type is given."""
    if given is None:
        return dict(options)
    if given.type not in ("auto", options.get("type")):
        return None
    asked = given.model_dump(mode="json", exclude_unset=True)
    return {**options, **{name: each for name, each in asked.items() if name != "type"}}

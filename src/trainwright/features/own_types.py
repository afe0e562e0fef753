"""A type of column that is not Trainwright's own is tried once it is fitted: what it forgets would be missed only where it predicts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from trainwright.config.errors import ConfigError, RequestError
from trainwright.config.own_code import describe_failure
from trainwright.data.source import Source
from trainwright.features.base import Feature, one_array

TRIED = 8
"""Rows that a type encodes twice."""
TOLD = ("place", "seed", "window")
"""What a column is told beside its options, and is no part of its state."""
OBSERVE = "in `observe`: self.fitted_rows += len(values), and self.missing_in_training += how many of them are missing"


def ensure_remembered(features: Mapping[str, Feature], source: Source, rows: np.ndarray) -> None:
    """Raise ConfigError for a type of somebody else's that does not count rows, ignores a policy, or forgets what it was fitted to.

    `rows`: numbers in the source of rows that were encoded.
    """
    own = {name: each for name, each in features.items() if not type(each).__module__.startswith("trainwright.")}
    for name, feature in own.items():
        ensure_counted(name, feature)
        if not feature.target:
            ensure_remembered_by(name, feature, source, rows[:TRIED])


def ensure_counted(name: str, feature: Feature) -> None:
    """Raise ConfigError where rows were observed and not counted, or `missing: indicator` makes no part `missing`."""
    if feature.fitted_rows == 0:
        why = "how many values are missing in training decides what `missing: auto` does, and what is said of later rows"
        raise ConfigError(f"{describe_type(feature)} does not count the rows it observes", where=f"columns.{name}", why=why, fix=OBSERVE)
    if not feature.target and feature.policy == "indicator" and "missing" not in feature.layout():
        what = f"{describe_type(feature)} has no part `missing`, so that missing=indicator does nothing"
        fix = f"another policy for columns.{name}.missing; or let `layout` and `encode` give `missing` where self.has_indicator"
        raise ConfigError(what, where=f"columns.{name}", fix=fix)


def ensure_remembered_by(name: str, feature: Feature, source: Source, rows: np.ndarray) -> None:
    """Raise ConfigError where the type, made again of its state as JSON, has other parts or encodes some rows otherwise."""
    fix = "name the attributes that hold what was fitted, plain JSON types, in `remembers`; make what follows from them in `prepare`"
    values = None if feature.lazy else one_array(source.read(rows, [name])[name])
    expected = feature.layout(), None if values is None else feature.encode(values, rows)
    try:
        again = type(feature).restore(feature.config, name, json.loads(json.dumps(feature.state())))
        for known in (each for each in TOLD if hasattr(feature, each)):
            setattr(again, known, getattr(feature, known))
        found = again.layout(), None if values is None else again.encode(values, rows)
    except (AttributeError, TypeError, ValueError, KeyError, RequestError) as error:
        what, why = f"{describe_type(feature)} cannot be made again of its state", describe_failure(error)
        raise ConfigError(what, where=f"columns.{name}", why=why, fix=fix) from error
    if expected[0] != found[0] or not same_arrays(expected[1], found[1]):
        why = f"rows are encoded otherwise after it is read back: it remembers {', '.join(feature.remembers) or 'nothing'}"
        raise ConfigError(f"{describe_type(feature)} forgets what it was fitted to", where=f"columns.{name}", why=why, fix=fix)


def same_arrays(first: Any, second: Any) -> bool:
    """Whether two encodings have the same parts with the same values, NaN included."""
    if first is None or second is None:
        return first is second
    return first.keys() == second.keys() and all(
        np.array_equal(first[part], second[part], equal_nan=np.issubdtype(first[part].dtype, np.floating)) for part in first
    )


def describe_type(feature: Feature) -> str:
    """What messages call a type."""
    return f"the type '{feature.config.type}' ({type(feature).__module__}:{type(feature).__name__})"

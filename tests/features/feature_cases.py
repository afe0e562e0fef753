"""One fitted column for tests, and the same fitted from its state."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa

from trainwright.config.choice import choose
from trainwright.config.registry import build
from trainwright.features.base import Feature


def make(kind: str, target: bool = False, name: str = "column", **options: Any) -> Feature:
    """A column of a type, not fitted."""
    return build("feature", choose("feature", {"type": kind, **options}), name=name, target=target)


def fitted(kind: str, values: Any, target: bool = False, cuts: list[int] | None = None, **options: Any) -> Feature:
    """A column fitted on values, cut into chunks at the given places."""
    feature = make(kind, target, **options)
    array = values if isinstance(values, pa.Array) else pa.array(values)
    places = [0, *sorted(min(cut, len(array)) for cut in cuts or []), len(array)]
    feature.fit([array[start:end] for start, end in pairwise(places)])
    return feature


def again(feature: Feature) -> Feature:
    """The same column, from its state written as JSON."""
    state = json.loads(json.dumps(feature.state()))
    return type(feature).restore(feature.config, feature.name, state, feature.target)


def encoded(feature: Feature, values: Any) -> dict[str, np.ndarray]:
    """The values as an input."""
    array = values if isinstance(values, pa.Array) else pa.array(values)
    return feature.encode(array, np.arange(len(array)))


def target(feature: Feature, values: Any) -> np.ndarray:
    """The values as a target."""
    array = values if isinstance(values, pa.Array) else pa.array(values)
    return feature.encode_target(array, np.arange(len(array)))

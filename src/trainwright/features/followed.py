"""Columns that go together row by row: a target that follows an input, and an input whose maps a target's decoder reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from trainwright.features.base import Feature
from trainwright.features.groups import make_groups
from trainwright.features.lazy import LazyFeature, References
from trainwright.features.spec import InputGroup, TargetSpec
from trainwright.features.usual import spec_of

OF_MAPS = 4
"""Dimensions of `value` of a row that has maps: columns, channels, height and width."""


def describe_columns(
    features: Mapping[str, Feature], inputs: Sequence[str], targets: Sequence[str], ties: Mapping[str, str]
) -> tuple[list[InputGroup], list[TargetSpec]]:
    """The groups of the inputs and the specs of the targets, of columns that are fitted and know of each other."""
    for feature in features.values():
        feature.meet(features, inputs)
    specs = [spec_of(features[name]) for name in targets]
    return tell_maps(make_groups(features, inputs, ties), specs), specs


def ensure_pairs(
    features: Mapping[str, Feature],
    groups: Sequence[InputGroup],
    targets: Sequence[str],
    pieces: Mapping[str, Sequence[References]],
    rows: np.ndarray,
) -> dict[str, References]:
    """The references of lazy columns joined; raises DataError for files of a target that do not go with those of the column it follows."""
    references = {name: References.joined(each) for name, each in pieces.items()}
    for name in targets:
        feature = features[name]
        if not isinstance(feature, LazyFeature) or not feature.follows:
            continue
        group = next((each.name for each in groups if feature.follows in each.columns), "")
        if group in references:
            feature.ensure_pairs(references[f"target.{name}"], references[group], rows)
    return references


def tell_maps(groups: Sequence[InputGroup], targets: Sequence[TargetSpec]) -> list[InputGroup]:
    """The groups; those whose encoder's maps a decoder reads have `maps` among their extras."""
    return [replace(each, extras={**each.extras, "maps": True}) if _reads_maps(targets, each) else each for each in groups]


def _reads_maps(targets: Sequence[TargetSpec], group: InputGroup) -> bool:
    if len(group.parts.get("value", ())) != OF_MAPS:
        return False
    asked = [target.decoder for target in targets if target.decoder is not None]
    return any(getattr(options, "reads_maps", False) and getattr(options, "input", "") in ("", *group.columns) for options in asked)

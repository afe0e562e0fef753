"""What a target gets that says nothing else: what its domain gives the type of its column."""

from __future__ import annotations

from dataclasses import replace

from trainwright.config.choice import choose
from trainwright.config.domains import column_kind
from trainwright.features.base import Feature
from trainwright.features.spec import TargetSpec


def spec_of(feature: Feature) -> TargetSpec:
    """What a model must know of a target; of a type that a domain adds, with the kind of target that it is and its own defaults."""
    spec, usual = feature.target_spec(), column_kind(feature.kind)
    if not usual.target:
        return spec
    return replace(
        spec,
        kind=usual.target,
        loss=spec.loss or (choose("loss", usual.loss) if usual.loss else None),
        decoder=spec.decoder or (choose("decoder", usual.decoder) if usual.decoder != "linear" else None),
        metrics=spec.metrics or [choose("metric", each) for each in usual.metrics],
    )

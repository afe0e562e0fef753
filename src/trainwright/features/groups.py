"""Which input columns are read by one encoder, and how their arrays lie together."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from trainwright.config.errors import ConfigError, did_you_mean
from trainwright.config.registry import load
from trainwright.features.base import Feature, PartLayout
from trainwright.features.spec import InputGroup


def tie_of(inputs: Sequence[str], tied: Mapping[str, Sequence[str]], kinds: Mapping[str, str]) -> dict[str, str]:
    """Column → the name it is tied under; raises ConfigError for a column that is no input, is tied twice, or differs in type."""
    ties: dict[str, str] = {}
    for name, columns in tied.items():
        for column in columns:
            if column not in inputs:
                raise ConfigError(f"`model.tied.{name}` names '{column}', which is not an input", fix=did_you_mean(column, inputs))
            if column in ties:
                raise ConfigError(f"column '{column}' is tied twice: as '{ties[column]}' and as '{name}'")
            ties[column] = name
        if any(getattr(load("feature", kinds[column]), "lazy", False) for column in columns):
            raise ConfigError(
                f"`model.tied.{name}` joins columns of files", why="each is read by an encoder of its own", fix="leave them out of it"
            )
        found = sorted({kinds[column] for column in columns})
        if len(found) > 1:
            raise ConfigError(f"`model.tied.{name}` joins columns of different types: {', '.join(found)}", fix="tie columns of one type")
    return ties


def make_groups(features: Mapping[str, Feature], inputs: Sequence[str], ties: Mapping[str, str]) -> list[InputGroup]:
    """The groups in the order of their first column: single values of one type and encoder together, tied ones together."""
    members: dict[tuple[str, ...], list[str]] = {}
    for column in inputs:
        members.setdefault(group_key(features[column], ties.get(column)), []).append(column)
    names: set[str] = {"target"}
    return [make_group([features[column] for column in columns], ties.get(columns[0]), names) for columns in members.values()]


def group_key(feature: Feature, tie: str | None) -> tuple[str, ...]:
    """Columns with equal keys share a group."""
    if tie is not None:
        return ("tied", tie)
    if not feature.grouped:
        return ("column", feature.name)
    encoder = feature.config.encoder
    shape = feature.layout()["value"].shape if "value" in feature.layout() else ()
    return (feature.kind, encoder.model_dump_json() if encoder else "", str(shape))


def make_group(features: list[Feature], tie: str | None, names: set[str]) -> InputGroup:
    """One group; `names` holds the names already given."""
    first = features[0]
    layout = {part: layout for feature in features for part, layout in feature.layout().items()}
    extras = {key: [feature.extras()[key] for feature in features] for key in first.extras()}
    if "missing" in layout:
        extras["indicators"] = [position for position, feature in enumerate(features) if "missing" in feature.layout()]
    return InputGroup(
        name=free_name(tie or (first.kind if first.grouped else first.name), names),
        kind=first.kind,
        columns=[feature.name for feature in features],
        encoder=next((feature.config.encoder for feature in features if feature.config.encoder), None),
        parts={part: (len(features), *one.shape) for part, one in layout.items()},
        sizes=[size for feature in features for size in feature.sizes()],
        extras=extras,
        time_last=getattr(first, "axis", 0) == -1,
        tied=tie,
    )


def free_name(wanted: str, names: set[str]) -> str:
    """A name for a group that no other has, fit for a module: no dots."""
    base = re.sub(r"\W+", "_", wanted).strip("_") or "column"
    name, number = base, 2
    while name in names:
        name, number = f"{base}_{number}", number + 1
    names.add(name)
    return name


def group_layout(group: InputGroup, features: Mapping[str, Feature]) -> dict[str, PartLayout]:
    """The blocks of a group, keyed `"<group>.<part>"`."""
    dtypes = {part: layout.dtype for column in group.columns for part, layout in features[column].layout().items()}
    return {f"{group.name}.{part}": PartLayout(shape, dtypes[part]) for part, shape in group.parts.items()}

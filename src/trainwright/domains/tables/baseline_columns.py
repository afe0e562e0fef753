"""Which columns the baselines of a run are given: those of the network, and such as they name themselves."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

import pyarrow as pa

from trainwright.config.errors import ConfigError, did_you_mean
from trainwright.config.model import PartConfig
from trainwright.data.source import Source
from trainwright.domains.tables.columns import Column
from trainwright.features.base import Feature

log = logging.getLogger(__name__)

WHERE = "evaluation.baselines"


def named_columns(baselines: Sequence[PartConfig]) -> list[str]:
    """The columns that baselines name, each once."""
    return list(dict.fromkeys(name for each in baselines for name in getattr(each, "columns", None) or []))


def check_baselines(baselines: Sequence[PartConfig], columns: Sequence[Column], features: Mapping[str, Feature]) -> None:
    """Raises ConfigError for a baseline that is given a target, a column of files, or one that the data have not."""
    known = {column.name: column for column in columns}
    for name in named_columns(baselines):
        if name not in known:
            raise ConfigError(
                f"a baseline is given '{name}', which is not a column of the data", where=WHERE, fix=did_you_mean(name, known)
            )
        if known[name].role == "target":
            raise ConfigError(f"a baseline is given '{name}', which is a target", where=WHERE, fix="leave it out")
        if name in features and features[name].lazy and not any(_reads(each, name, features[name]) for each in baselines):
            raise ConfigError(f"a baseline is given '{name}', whose values are files", where=WHERE, fix="name columns of numbers or words")


def _reads(baseline: PartConfig, name: str, feature: Feature) -> bool:
    """Whether a baseline reads the files of a column of this type, which it is not given where it names others."""
    named = getattr(baseline, "columns", None)
    return feature.kind in getattr(baseline, "reads", ()) and (not named or name in named)


def columns_given(columns: Sequence[Column], features: Mapping[str, Feature]) -> dict[str, PartConfig]:
    """The inputs that all baselines read, those of the network that are no files, with their options."""
    return {column.name: column.options for column in columns if column.role == "input" and not features[column.name].lazy}


def files_given(baselines: Sequence[PartConfig], columns: Sequence[Column], features: Mapping[str, Feature]) -> dict[str, Feature]:
    """The inputs that are files and that a baseline reads, as they were fitted; the others are told."""
    found = {column.name: features[column.name] for column in columns if column.role == "input" and features[column.name].lazy}
    for name in [name for name, each in found.items() if not any(_reads(one, name, each) for one in baselines)]:
        del found[name]
        log.info("baselines do not read the files of column '%s'", name)
    return found


def columns_beside(baselines: Sequence[PartConfig], given: Mapping[str, PartConfig], source: Source) -> dict[str, str]:
    """The types of columns that baselines name and the network is not given: numbers are numbers, all else are categories."""
    types = {name: source.schema.field(name).type for name in named_columns(baselines) if name not in given}
    return {name: "number" if pa.types.is_integer(each) or pa.types.is_floating(each) else "category" for name, each in types.items()}

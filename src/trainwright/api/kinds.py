"""Which system is prepared by what: the one place that tells kinds of runs apart."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from trainwright.api.config import Config
    from trainwright.api.prepared import Prepared
    from trainwright.data.source import Source


@dataclass(frozen=True)
class Kind:
    """Where the functions of a kind of run are, as `module:function`: they are imported when they are used."""

    prepare: str
    """(configuration, data in memory or None) → Prepared. Raises ConfigError, DataError or ManyErrors."""
    default_name: str = ""
    """configuration → the name of a run before its data are read; empty where they decide it."""


KINDS = {
    "supervised": Kind("trainwright.api.prepared_table:PreparedTable"),
    "given": Kind("trainwright.systems.given:refuse_given"),
}
OWN = Kind("trainwright.api.own.prepared:PreparedSystem", "trainwright.api.own.prepared:default_name")
"""Every other system: a class of one's own, or a model and a loss."""


def prepare_run(config: Config, source: Source | None = None) -> Prepared:
    """What a checked configuration asks for, with its data, or those in memory. Raises ConfigError, DataError or ManyErrors."""
    made: Prepared = _load(_kind_of(config).prepare)(config, source)
    return made


def with_name(config: Config) -> Config:
    """The configuration with the name of its run, where that does not follow from the data."""
    kind = _kind_of(config)
    if config.run.name or not kind.default_name:
        return config
    return config.model_copy(update={"run": config.run.model_copy(update={"name": _load(kind.default_name)(config)})})


def _kind_of(config: Config) -> Kind:
    return KINDS.get(config.system.type, OWN)


def _load(place: str) -> Any:
    module, _, name = place.partition(":")
    return getattr(importlib.import_module(module), name)

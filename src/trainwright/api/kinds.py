"""Which system is prepared by what, and what answers rows for it: the one place that tells kinds of runs apart."""

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
    predictor: str
    """(place, settings, model, loss) → Predictor. Raises RunError where there is no model yet."""
    form: str
    """What a command calls such a run, where it uses other flags and settings for it."""
    default_name: str = ""
    """configuration → the name of a run before its data are read; empty where they decide it."""
    adds_to_export: bool = False
    """Whether its predictor writes something beside the files of the model where one is exported."""


KINDS = {
    "supervised": Kind("trainwright.api.prepared_table:PreparedTable", "trainwright.api.predictors.table:open_table", "table"),
    "given": Kind("trainwright.systems.given:refuse_given", "trainwright.api.predictors.fitted:open_fitted", "fit run"),
}
OWN = Kind(
    "trainwright.api.own.prepared:PreparedSystem",
    "trainwright.api.predictors.system:open_system",
    "own run",
    "trainwright.api.own.prepared:default_name",
    adds_to_export=True,
)
"""Every other system: a class of one's own, or a model and a loss."""


def prepare_run(config: Config, source: Source | None = None) -> Prepared:
    """What a checked configuration asks for, with its data, or those in memory. Raises ConfigError, DataError or ManyErrors."""
    made: Prepared = load_function(_kind_of(config).prepare)(config, source)
    return made


def with_name(config: Config) -> Config:
    """The configuration with the name of its run, where that does not follow from the data."""
    kind = _kind_of(config)
    if config.run.name or not kind.default_name:
        return config
    return config.model_copy(update={"run": config.run.model_copy(update={"name": load_function(kind.default_name)(config)})})


def _kind_of(config: Config) -> Kind:
    return kind_named(config.system.type)


def kind_named(system: str) -> Kind:
    """The kind of runs with a system of this name."""
    return KINDS.get(system, OWN)


def load_function(place: str) -> Any:
    module, _, name = place.partition(":")
    return getattr(importlib.import_module(module), name)

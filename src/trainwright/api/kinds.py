"""Which system is prepared by what, and what answers rows for it: the one place that tells kinds of runs apart."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainwright.config.domain import SystemKind
from trainwright.config.domains import system_kind
from trainwright.config.part import load_named

if TYPE_CHECKING:
    from trainwright.data.source import Source
    from trainwright.domains.prepared import Prepared
    from trainwright.domains.row_check import CheckedRows
    from trainwright.parallel.world import World
    from trainwright.systems.run_config import Config

GIVEN = SystemKind("trainwright.api.fit:PreparedObjects", "trainwright.api.predictors.fitted:open_fitted", "fit run")
"""What a program gave to `tw.fit`."""
OWN = SystemKind("trainwright.api.own.prepared:PreparedSystem", "trainwright.api.predictors.system:open_system", "own run", True)
"""Every system of no domain: a class of one's own, or a model and a loss."""


def kind_named(system: str) -> SystemKind:
    """The kind of runs with a system of this name."""
    return GIVEN if system == "given" else system_kind(system) or OWN


def prepare_run(config: Config, source: Source | None = None, world: World | None = None) -> Prepared:
    """What a checked configuration asks for, with its data, or those in memory, for `world` or this process alone.

    Raises ConfigError, DataError or ManyErrors.
    """
    prepared: Prepared = _class_for(config)(config, source)
    prepared.world = world or prepared.world
    return prepared


def check_before(config: Config) -> None:
    """Find what does not fit before the model is made, as far as it can be told. Raises ConfigError, DataError or ManyErrors."""
    _class_for(config).check_before(config)


def check_rows_of(config: Config) -> CheckedRows:
    """Every row of the data of a configuration, read whole. Raises ConfigError or DataError for data that cannot be opened or are none."""
    found: CheckedRows = _class_for(config).check_rows(config)
    return found


def column_values(config: Config, column: str) -> list[str]:
    """The values of a column of the data as text, in rows that can be used. Raises ConfigError or DataError where there is none."""
    found: list[str] = _class_for(config).column_values(config, column)
    return found


def with_name(config: Config) -> Config:
    """The configuration with the name of its run, where that does not follow from the data."""
    name = config.run.name or _class_for(config).name_before_data(config)
    return config.model_copy(update={"run": config.run.model_copy(update={"name": name})})


def name_before_run(config: Config) -> str:
    """The name of a run before its data are read: that of their file and the targets, where they would decide it."""
    name = with_name(config).run.name
    if name:
        return name
    stem = Path(str(getattr(getattr(config.data, "source", None), "path", "")).removeprefix("builtin:")).name.split(".")[0] or "run"
    return "-".join([stem, *list(getattr(config.system, "targets", None) or [])[:2]])


def _class_for(config: Config) -> Any:
    """The subclass of Prepared for the system of a configuration."""
    return load_named(kind_named(config.system.type).prepare)

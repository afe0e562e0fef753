"""What every kind of run has in common before it is trained: its configuration, system and rows, and what is written of them."""

from __future__ import annotations

import shlex
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, NamedTuple

from torch import nn

from trainwright.config.errors import ConfigError
from trainwright.data.rows import Rows
from trainwright.domains.row_check import CheckedRows
from trainwright.engine.trainer import FitResult, Trainer
from trainwright.parallel.world import World
from trainwright.runs.directory import RunDirectory
from trainwright.runs.ways_on import to_a_later_end
from trainwright.systems.run_config import Config


class Finished(NamedTuple):
    """What is said of a run that was measured and written."""

    headline: dict[str, Any]
    """The one number of a run's listing: target, metric, value, split."""
    lines: list[str]
    """The result as a person reads it."""


class Prepared(ABC):
    """A configuration with its data, ready to be trained. Each kind of run has one; what trains it knows no kind."""

    def __init__(self, config: Config) -> None:
        self.config = config
        """With everything that was found in the data, so that it repeats the run as it stands."""
        self.world = World()
        """The processes that train it together."""

    @classmethod
    def name_before_data(cls, config: Config) -> str:
        """The name of a run before its data are read; empty where they decide it."""
        return ""

    @classmethod  # noqa: B027  # of some systems nothing can be told
    def check_before(cls, config: Config) -> None:
        """Find what does not fit before a model is made, as far as it can be told. Raises ConfigError, DataError or ManyErrors."""

    @classmethod
    def check_rows(cls, config: Config) -> CheckedRows:
        """Every row of the data, and what columns of files name, read whole. Raises ConfigError where the data are no rows of a table."""
        fix = "leave --rows out"
        raise ConfigError(f"the system '{config.system.type}' reads no rows of a table", where="--rows", fix=fix)

    @classmethod
    def column_values(cls, config: Config, column: str) -> list[str]:
        """The values of a column of the data as text, in rows that can be used. Raises ConfigError where the data have no columns."""
        why = f"the data of system '{config.system.type}' have no columns"
        raise ConfigError(f"there is no column '{column}' to take folds from", where="--folds-by", why=why, fix="--seeds or --grid")

    @property
    @abstractmethod
    def system(self) -> Any:
        """What is trained, made when it is first asked for."""

    @property
    @abstractmethod
    def splits(self) -> Mapping[str, Rows]:
        """The rows that are trained on (`train`) and measured while training (`validation`), or at its end too (`test`)."""

    def lines(self) -> list[str]:
        """The data as a person reads them before training."""
        return []

    def split_lines(self) -> list[str]:
        """Of `lines`, how rows are divided and what a reader should be warned of."""
        return self.lines()

    @abstractmethod
    def describe_system(self) -> str:
        """What is trained, in a few words."""

    def model(self) -> nn.Module:
        """The model without its data. Raises ConfigError where it is made for them."""
        made: nn.Module = self.system
        return made

    def trainer(self) -> Trainer:
        """The trainer that the configuration describes."""
        run, history = self.config.run, self.config.evaluation.history
        return Trainer(self.config.trainer, seed=run.seed, device=run.device, history=history, world=self.world)

    def describe_rows(self) -> dict[str, Any]:
        """What is to be the same of the rows in every process, by name."""
        return {f"rows of {name}": len(rows) for name, rows in self.splits.items()}

    @abstractmethod
    def check(self, trainer: Trainer) -> None:
        """Find what does not fit before anything is written. Raises ConfigError, DataError or ManyErrors."""

    def refuse_other_data(self, found: RunDirectory) -> None:  # noqa: B027  # not every kind of data can be told from others
        """Raise RunError when the rows are not those that the run `found` was started with, where that can be known."""

    @abstractmethod
    def record(self, run: RunDirectory) -> None:
        """Write what the data are into a run that begins; may set `config`, which is written after it."""

    @abstractmethod
    def finish(self, run: RunDirectory, fitted: FitResult) -> Finished:
        """Measure what was trained, and write the model, results.json and the blocks of the report."""

    def go_on(self, run: RunDirectory, longer: str) -> str:
        """The command or the call that goes on with a finished run to a later end, the setting `longer`; empty without one."""
        return to_a_later_end(run.path, longer)

    def continue_with(self, run: RunDirectory) -> str:
        """The command or the call that continues the run."""
        return f"trainwright resume {shlex.quote(str(run.path))}"

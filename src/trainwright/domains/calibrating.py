"""What a kind of run has so that a calibrated child can be made of one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

from trainwright.calibration import CalibrationMethod
from trainwright.data.rows import Rows
from trainwright.domains.prepared import Finished
from trainwright.runs.directory import RunDirectory
from trainwright.systems.run_config import Config

Chooser = Callable[[dict[str, str]], Sequence[CalibrationMethod]]
"""Target → kind to the methods that are fitted."""


class Calibrating(ABC):
    """A finished run opened with its data; each kind of run that can be calibrated has one."""

    config: Config
    """That of the child, its methods in it once they are chosen."""

    @property
    @abstractmethod
    def network(self) -> tuple[Any, Rows]:
        """The system that answers, and rows to look at it by."""

    @abstractmethod
    def choose(self, chooser: Chooser) -> None:
        """Take the methods for the targets. Raises ConfigError for one that fits none, or rows that it cannot be fitted on."""

    @abstractmethod
    def record(self, child: RunDirectory) -> None:
        """Write what the data are."""

    @abstractmethod
    def finish(self, child: RunDirectory) -> Finished:
        """Fit, measure, and write the model, results.json and the blocks of the report."""

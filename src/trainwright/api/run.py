"""A run as Python sees it: its numbers, its model, its files."""

from __future__ import annotations

import os
from functools import cached_property
from pathlib import Path
from typing import Any

from trainwright.config.errors import RunError
from trainwright.config.trust import trusting
from trainwright.runs.directory import RunDirectory
from trainwright.runs.results import read_results
from trainwright.runs.ways_on import to_its_end


class Run:
    """A run directory: `metrics`, `results`, `predict`, `evaluate`, `report`."""

    def __init__(self, directory: RunDirectory, trust_code: bool = False) -> None:
        self.directory, self.trust_code = directory, trust_code

    @property
    def path(self) -> Path:
        """The run directory."""
        return self.directory.path

    @property
    def status(self) -> str:
        """`created`, `running`, `finished`, `interrupted` or `failed`."""
        return self.directory.status

    @cached_property
    def results(self) -> dict[str, Any]:
        """The content of results.json; raises RunError when training has not reached its end."""
        found = read_results(self.path)
        if found is None:
            why = "training did not reach its end"
            raise RunError("this run has no results yet", where=str(self.path), why=why, fix=to_its_end(self.path))
        return found

    @property
    def metrics(self) -> dict[str, Any]:
        """Split (`train`, `validation`, `test`) → target → metric → value."""
        return dict(self.results["metrics"])

    @cached_property
    def model(self) -> Any:
        """The trained network with its fitted columns; raises RunError when there is none, ConfigError for code it may not name."""
        from trainwright.api.model import Model

        with trusting(self.trust_code):
            return Model.load(self.directory.model)

    def predict(self, data: Any) -> Any:
        """Predictions for new rows: a DataFrame gives a DataFrame, anything else an Arrow table; raises DataError for missing columns."""
        from trainwright.api.answers import predict_with

        return predict_with(self.model, data)

    def evaluate(self, data: Any) -> dict[str, dict[str, float]]:
        """Target → metric → value on labelled rows; raises DataError when a column is missing."""
        from trainwright.api.answers import evaluate_with

        return evaluate_with(self.model, data)["metrics"]

    def report(self) -> Path:
        """Draws report.html anew and returns its path."""
        from trainwright.api.report import write_report

        return write_report(self.path)

    def _repr_html_(self) -> str:
        from trainwright.api.run_html import run_html

        return run_html(self.directory)

    def __repr__(self) -> str:
        return f"Run({str(self.path)!r}, {self.status})"


def load(path: str | os.PathLike[str], *, trust_code: bool = False) -> Run:
    """The run at `path`, or the latest in that folder of runs; raises RunError when there is none.

    A model that somebody else made or changed consists of registered parts only; with `trust_code` it may also name code, which is run.
    """
    return Run(RunDirectory.open(path), trust_code)

"""A calibrated child of a table's run: its own columns, split and weights, with methods fitted on validation rows or on new ones."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from trainwright.config.errors import ConfigError, DataError
from trainwright.data.rows import Rows
from trainwright.domains.calibrating import Calibrating, Chooser
from trainwright.domains.forms import as_rows
from trainwright.domains.prepared import Finished
from trainwright.domains.tables.calibration import Calibration, calibration_lines, check_calibration
from trainwright.domains.tables.finish import finish
from trainwright.domains.tables.model import Model
from trainwright.domains.tables.predictor import NONE_LEFT
from trainwright.domains.tables.prepared import PreparedTable
from trainwright.domains.tables.show import result_lines
from trainwright.domains.tables.tally import say_counts
from trainwright.domains.tables.verdicts import headline_of
from trainwright.engine.result import FitResult
from trainwright.features.encoded_hashes import encoded_hashes
from trainwright.features.encoding import EncodedTable
from trainwright.features.table_rows import table_rows
from trainwright.runs.directory import RunDirectory
from trainwright.runs.results import loss_in, read_results
from trainwright.systems.run_config import Config

log = logging.getLogger(__name__)


class CalibratedTable(Calibrating):
    """The parent's network with its rows, read again as its configuration says."""

    def __init__(self, parent: RunDirectory, config: Config, data: Any = None) -> None:
        """Raises RunError when the data changed or there is no model, DataError for rows of `data` that lack the targets."""
        self.parent, self.config = parent, config
        self.prepared = PreparedTable(_with_methods(config, []))  # its validation rows need not fit where others are given
        self.prepared.refuse_other_data(parent)
        self.model = Model.load(parent.model, parent.path)
        self.model.system.scale_logits({})
        self.model.system.to(next(self.prepared.system.parameters()).device)
        self.calibration = Calibration({})
        self.given = None if data is None else self._read(data)
        self.source = "" if data is None else os.fspath(data) if isinstance(data, str | os.PathLike) else f"a {type(data).__name__}"

    def _read(self, data: Any) -> EncodedTable:
        """The labelled rows of `data`, encoded as in training; says which of them are known from training or test."""
        encoder = self.model.encoder
        source = encoder.read(as_rows(data, {name for name in encoder.inputs if encoder.features[name].row_shape}))
        encoded = encoder.encode(source, targets=True)
        say_counts(source, encoded)
        if not len(encoded.rows):
            raise DataError("no row can be calibrated on", where=source.name, why=NONE_LEFT)
        self._warn_of_known(source.name, encoded)
        return encoded

    def _warn_of_known(self, name: str, encoded: EncodedTable) -> None:
        table = self.prepared.data.table
        given, known = encoded_hashes(encoded), encoded_hashes(table)
        said = {
            "train": "the model has learnt them, and is surer of them than of new ones: what is fitted is too optimistic",
            "test": "what the test rows show of the calibration is not of new rows then",
        }
        for split, why in said.items():
            found = int(np.isin(given, known[getattr(table, split)]).sum())
            if found:
                which = "training" if split == "train" else split
                log.warning("%s of the %s rows of %s are %s rows of this run: %s", f"{found:,}", f"{len(given):,}", name, which, why)

    def choose(self, chooser: Chooser) -> None:
        """Check the methods against the rows that they are fitted on, and note them in the configuration of the child."""
        specs = [spec for spec in self.prepared.data.spec.targets if not spec.positions]
        methods = list(chooser({spec.name: spec.kind for spec in specs}))
        if not methods:
            why = "evaluation.calibration is empty" if specs else "its targets have a class at every position"
            raise ConfigError("there is nothing to fit", where=str(self.parent.path), why=why, fix="name a method: --method temperature")
        self.calibration = Calibration.asked(methods, specs)
        table = self.prepared.data.table
        check_calibration(methods, table, self.given)
        if self.given is not None:
            rows = table_rows(self.given, np.arange(len(self.given.rows)))
            self.calibration.rows, self.calibration.source = rows, self.source
        self.config = _with_methods(self.prepared.config, methods)

    @property
    def network(self) -> tuple[Any, Rows]:
        """The parent's network, and the training rows."""
        return self.model.system, self.prepared.splits["train"]

    def record(self, child: RunDirectory) -> None:
        """Write data.json, splits.parquet and the head of the report, as the parent's run did."""
        self.prepared.record(child)

    def finish(self, child: RunDirectory) -> Finished:
        """Fit and measure as at the end of training, with the parent's network."""
        data = self.prepared.data
        fitted = _as_fitted(read_results(self.parent.path) or {})
        results, _ = finish(child, self.config, data, self.model.system, fitted, self.calibration)
        lines = [*result_lines(results, data.targets), *calibration_lines(results["calibration"])]
        return Finished(headline_of(results, data), lines)


def _with_methods(config: Config, methods: list[Any]) -> Config:
    evaluation = config.evaluation.model_copy(update={"calibration": methods})
    return config.model_copy(update={"evaluation": evaluation})


def _as_fitted(results: Mapping[str, Any]) -> FitResult:
    """What came of the parent's training, from its results.json."""
    best, realised = results.get("best") or {}, results.get("realised") or {}
    trained = (results.get("metrics") or {}).get("train") or {}
    flat = {f"{target}.{name}": value for target, found in trained.items() if isinstance(found, Mapping) for name, value in found.items()}
    loss = loss_in(trained)
    return FitResult(
        steps=int(realised.get("steps") or 0),
        epochs=float(realised.get("epochs") or 0.0),
        best_step=best.get("step"),
        best_value=best.get("value"),
        monitor=str(best.get("metric") or ""),
        stopped_because=str(results.get("stopped_because", "")),
        timing=dict(results.get("timing") or {}),
        realised={name: each for name, each in realised.items() if name != "device"},
        metrics={"train": {name: each for name, each in flat.items() if each is not None} | ({} if loss is None else {"loss": loss})},
    )

"""A run of the supervised system: columns read, checked and encoded, one network, and all that is measured on rows held out."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import nn

from trainwright.config.errors import ConfigError
from trainwright.data.rows import Rows
from trainwright.data.source import Source
from trainwright.domains.kept_data import describe_kept, ensure_same_data, keep_data
from trainwright.domains.prepared import Finished, Prepared
from trainwright.domains.row_check import CheckedRows
from trainwright.domains.tables.batch_trial import try_supervised_batches
from trainwright.domains.tables.blocks import write_table
from trainwright.domains.tables.calibration import calibration_lines
from trainwright.domains.tables.columns_of_files import check_table
from trainwright.domains.tables.finish import finish, split_rows, training_rows
from trainwright.domains.tables.prepare import column_values, look_for_columns, prepare
from trainwright.domains.tables.resolve import resolve_config
from trainwright.domains.tables.show import data_lines, result_lines, split_lines
from trainwright.domains.tables.show_importance import importance_lines
from trainwright.domains.tables.verdicts import headline_of
from trainwright.engine.trainer import FitResult, Trainer
from trainwright.files.whole import whole_file
from trainwright.runs.directory import RunDirectory
from trainwright.systems.base import build_system
from trainwright.systems.run_config import Config
from trainwright.systems.supervised import SupervisedSystem

log = logging.getLogger(__name__)


class PreparedTable(Prepared):
    """A table, or columns of files, with the network for it."""

    def __init__(self, config: Config, source: Source | None = None) -> None:
        self.data = prepare(config, source)
        self.in_memory = source is not None
        super().__init__(resolve_config(config, self.data))

    @classmethod
    def check_before(cls, config: Config) -> None:
        """Look for the columns that are named; of the rows those alone are read that a file's columns follow from."""
        look_for_columns(config)

    @cached_property
    def system(self) -> SupervisedSystem:
        """Encoders, combiner and decoders of the columns."""
        made = SupervisedSystem(self.config.system.model)
        build_system(made, self.data.spec, seed=self.config.run.seed)
        made.transform_batches(self.config.data.transform)
        return made

    @cached_property
    def splits(self) -> Mapping[str, Rows]:
        """Rows to train on and to validate; those to test are measured by `finish` alone."""
        return {"train": training_rows(self.data), "validation": split_rows(self.data, "validation")}

    def lines(self) -> list[str]:
        """The source, the columns, the split, and everything a reader should be warned of."""
        return data_lines(self.data, bool(self.config.evaluation.baselines))

    def split_lines(self) -> list[str]:
        """The split, and everything a reader should be warned of."""
        return split_lines(self.data, bool(self.config.evaluation.baselines))

    @classmethod
    def check_rows(cls, config: Config) -> CheckedRows:
        """Every row of the table, and the files that it names."""
        return check_table(config)

    @classmethod
    def column_values(cls, config: Config, column: str) -> list[str]:
        """The values of a column in rows with a target, missing ones left out."""
        return column_values(config, column)

    def describe_system(self) -> str:
        """The combiner, which joins the columns."""
        return f"model: {self.config.system.model.combiner.type}"

    def model(self) -> nn.Module:
        """Raises ConfigError: its encoders are made for the columns."""
        raise ConfigError("a table's model takes the columns of the table", where="--input", fix="leave it out; --batch-size sets the rows")

    def check(self, trainer: Trainer) -> None:
        """Try transforms of batches, a step where parts are a person's own, and every setting."""
        if self.system.batch_transforms is not None:
            try_supervised_batches(self.system, split_rows(self.data, "train"))
        if any(type(each).__module__.partition(".")[0] not in ("trainwright", "torch") for each in self.system.modules()):
            from trainwright.systems.trial import trial  # of no use to a network of Trainwright's own parts

            trainer.cautions = trial(self.system, {"train": split_rows(self.data, "train")}, torch.device("cpu"))
        trainer.check(self.system, len(self.splits["train"]), len(self.splits["validation"]))

    def describe_rows(self) -> dict[str, Any]:
        """The rows of each split, and the sha256 of the data."""
        return {**super().describe_rows(), "data (sha256)": self.data.source.fingerprint().get("sha256")}

    def refuse_other_data(self, found: RunDirectory) -> None:
        """Raise RunError when the table has another sha256 than when the run was started."""
        ensure_same_data(self.data.source, found)

    def record(self, run: RunDirectory) -> None:
        """Write data.json, splits.parquet, the head of the report, and data that were only in memory."""
        import pyarrow.parquet as pq

        data = self.data
        if self.in_memory:
            self.config = keep_data(data.source, self.config, run)
        run.write_json("data.json", describe_kept(data.describe(), run) if self.in_memory else data.describe())
        with whole_file(run.splits) as temporary:
            pq.write_table(data.split.record(data.in_source(np.arange(len(data.source)))), temporary)
        data.split.hashes = None  # recorded now, and of no further use
        run.update(targets=data.targets, source=data.source.name)
        write_table(run, {}, data.targets)

    def finish(self, run: RunDirectory, fitted: FitResult) -> Finished:
        """Measure validation and test rows, compare, explain, and write it all."""
        results, found = finish(run, self.config, self.data, self.system, fitted)
        lines = [*result_lines(results, self.data.targets), *calibration_lines(results["calibration"]), *importance_lines(found), ""]
        return Finished(headline_of(results, self.data), lines)

"""A run of a system of one's own, or of a model and a loss: its splits, its model's weights, its own metrics."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import nn

from trainwright.adapters.pretrained import write_foreign_config
from trainwright.api.adapting import plain_module
from trainwright.api.own.blocks import write_own
from trainwright.api.own.prepare import OpenedSystem, check_own, made_system, prepare_own
from trainwright.api.predictors.recorded import record_inputs
from trainwright.config.clock import process_seconds
from trainwright.config.errors import ConfigError
from trainwright.data.rows import Rows
from trainwright.data.source import Source
from trainwright.data.transforms.batch_checks import few_rows, try_batch_transforms
from trainwright.domains.prepared import Finished, Prepared
from trainwright.engine.adapted import as_system
from trainwright.engine.dealt_twice import refuse_dealt_twice
from trainwright.engine.result import FitResult
from trainwright.engine.trainer import Trainer
from trainwright.files.download import sha256_of
from trainwright.files.tensors import save_tensors
from trainwright.files.whole import whole_file
from trainwright.runs.directory import RunDirectory, folder_name
from trainwright.runs.results import build_results
from trainwright.systems.run_config import Config
from trainwright.systems.trial import first_trial, refuse_single_pieces, trial

WEIGHTS, POSITION = "model.safetensors", "position.json"


class PreparedSystem(Prepared):
    """A system with the splits that its data give."""

    target = "target"
    """The name under which results.json has the metrics."""

    def __init__(self, config: Config, source: Source | None = None) -> None:
        if source is not None:
            fix = "leave `system` out, or give the data that it takes: data={'type': …}"
            raise ConfigError(f"the system '{config.system.type}' takes no table", where="tw.train(data)", fix=fix)
        super().__init__(config)

    @classmethod
    def name_before_data(cls, config: Config) -> str:
        """The last word of what is trained: `MySystem`, `Net`, `graph`."""
        model = getattr(config.system, "model", None)
        written = config.system.type if config.system.type != "plain" or model is None else model.type
        return folder_name(str(written).rpartition(":")[2].rpartition(".")[2].rpartition("/")[2] or "system")

    @classmethod
    def check_before(cls, config: Config) -> None:
        """Look for what stands beside the model: arguments, data, files, functions, weights, and the metric that is monitored."""
        check_own(config)

    @cached_property
    def opened(self) -> OpenedSystem:
        """The system made and its data opened."""
        return prepare_own(self.config)

    @property
    def system(self) -> Any:
        """The system."""
        return self.opened.system

    @property
    def splits(self) -> Mapping[str, Rows]:
        """`train`, and perhaps `validation` and `test`."""
        return self.opened.splits

    def describe_system(self) -> str:
        """Its name."""
        return f"system: {self.config.system.type}"

    def lines(self) -> list[str]:
        """How many rows each split has."""
        return [f"{name}: {len(rows):,} {'batches' if rows.batched else 'rows'}" for name, rows in self.splits.items()]

    def model(self) -> nn.Module:
        """What the configuration names, as it is made without data."""
        return plain_module(made_system(self.config))

    def check(self, trainer: Trainer) -> None:
        """Try a step on a few rows and every setting."""
        train, validation = self.splits["train"], self.splits.get("validation")
        refuse_dealt_twice(trainer.world, as_system(self.system), self.splits)
        transforms = getattr(self.system, "batch_transforms", None)
        if transforms is not None and not train.single_pass:
            try_batch_transforms(transforms, few_rows(train), "data.transform")
        cautions = first_trial(self.system, self.splits, self.tried_on())
        trainer.cautions = cautions or []
        if cautions is None:
            trainer.try_late = lambda: trial(self.system, self.splits, trainer.device)
        trainer.rehearses = True
        plan = trainer.check(self.system, len(train), 0 if validation is None else len(validation), train.batched)
        refuse_single_pieces(self.system, train, self.tried_on(), plan)

    def tried_on(self) -> torch.device:
        """Where a step is tried: where the system was made."""
        return torch.device("cpu")

    def record(self, run: RunDirectory) -> None:
        """Write how many rows there are, and the head of the report."""
        counts = {name: {"batches" if rows.batched else "rows": len(rows)} for name, rows in self.splits.items()}
        run.write_json("data.json", {"splits": counts})
        write_own(run, self.config.model_dump(mode="json"))

    def finish(self, run: RunDirectory, fitted: FitResult) -> Finished:
        """Write model.safetensors with the names of what was given, where in the run it is from, the report's blocks, and results.json."""
        run.model.mkdir(exist_ok=True)
        weights: Path = run.model / WEIGHTS
        with whole_file(weights) as temporary:
            save_tensors(temporary, plain_module(self.system).state_dict(), {"format": "pt"})
        write_foreign_config(run.model, plain_module(self.system))
        record_inputs(run.model, as_system(self.system), self.splits["train"])
        run.write_json(f"model/{POSITION}", position_of(fitted))
        results = build_results(
            metrics={
                split: {self.target: {name: value for name, value in found.items() if name != "loss"}, "loss": found.get("loss")}
                for split, found in fitted.metrics.items()
            },
            timing={**fitted.timing, "total_seconds": process_seconds()},
            realised=fitted.realised,
            stopped_because=fitted.stopped_because,
            still_improving=bool(fitted.longer),
            go_on=self.go_on(run, fitted.longer),
            best=fitted.best,
            seed=self.config.run.seed,
            weights_sha256=sha256_of(weights),
        )
        write_own(run, self.config.model_dump(mode="json"), as_system(self.system))
        run.write_json("results.json", results)
        tested = fitted.metrics.get("test")
        said = ["test: " + "  ".join(f"{name} {value:.4g}" for name, value in tested.items())] if tested else []
        return Finished(headline_of(fitted), said)


def position_of(fitted: FitResult) -> dict[str, int]:
    """Step and epoch of the kept weights, so that a later evaluation is at the same place of the run."""
    step = fitted.steps if fitted.best_step is None else fitted.best_step
    rows = [row for row in fitted.history if row["step"] == step]
    return {"step": step, "epoch": int(rows[-1]["epoch"] if rows else fitted.epochs)}


def headline_of(fitted: FitResult) -> dict[str, Any]:
    """The one number of a run's listing."""
    split = next((name for name in ("test", "validation", "train") if fitted.metrics.get(name)), "")
    found = fitted.metrics.get(split, {})
    metric = fitted.monitor if fitted.monitor in found else next(iter(found), fitted.monitor)
    return {"target": "", "metric": metric, "value": found.get(metric), "split": split}

"""A system of one's own trained in a run directory, and measured: what `tw.fit` and a configuration with `system:` share."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from trainwright.api.adapting import plain_module
from trainwright.api.blocks import write_own
from trainwright.api.inspect import record_model
from trainwright.api.unwritten import explain_unwritten
from trainwright.config.clock import process_seconds
from trainwright.config.errors import Interrupted, RequestError, RunError
from trainwright.data.rows import Rows
from trainwright.engine.adapted import as_system
from trainwright.engine.result import FitResult
from trainwright.engine.trainer import Trainer
from trainwright.engine.tuning import without_auto
from trainwright.files.download import sha256_of
from trainwright.files.tensors import save_tensors
from trainwright.files.text import write_text
from trainwright.files.whole import whole_file
from trainwright.runs.code import write_code_in_background, write_configs
from trainwright.runs.directory import RunDirectory
from trainwright.runs.environment import command_line, environment
from trainwright.runs.log import log_to_file
from trainwright.runs.results import build_results
from trainwright.runs.signing import sign

log = logging.getLogger("trainwright.fit")

WEIGHTS, POSITION = "model.safetensors", "position.json"


@dataclass
class Before:
    """What a run was before it was asked to continue, so that a request that is refused leaves it so."""

    status: Any
    config: str | None
    over: bool = False
    """Whether a step was made since."""

    @classmethod
    def of(cls, run: RunDirectory) -> Before:
        """As it is now."""
        return cls(run.status, run.config.read_text() if run.config.is_file() else None)

    def restored(self, run: RunDirectory) -> bool:
        """Put it back, unless a step was made or there was no run before; whether that was done."""
        if self.over or self.config is None:
            return False
        write_text(run.config, self.config)
        run.status = self.status
        return True


@dataclass
class SystemRun:
    """What is trained on which rows, and how the request is written down."""

    engine: Trainer
    system: Any
    splits: Mapping[str, Rows]
    """`train`, and perhaps `validation` and `test`."""
    written: Callable[[Any], str]
    """config.yaml for a `trainer:` section whose numbers are settled."""
    seed: int
    again: str
    """The call that makes what is missing, should the disk refuse the results."""
    files: Sequence[Path] = ()
    """The configuration files as a person wrote them, to be kept with the run."""
    begun: bool = False
    """Whether a step was made."""
    target: str = "target"
    """The name under which results.json has the metrics."""

    def train(self, run: RunDirectory, resume: bool) -> FitResult:
        """Train in the run directory and write what came of it."""
        engine = self.engine
        engine.config = without_auto(engine, self.system, self.splits["train"], run=run.path, resume=resume)
        before = Before.of(run)
        text = self.written(engine.config)
        write_text(run.config, text)
        sign(run.path)
        write_configs(run, self.files)
        write_text(run.command, command_line() + "\n")
        run.status = "running"
        threads: list[Any] = []

        def surroundings() -> None:
            before.over = self.begun = True
            run.write_json("environment.json", environment())
            write_own(run)
            threads.append(write_code_in_background(run, config=yaml.safe_load(text)))

        with log_to_file(run.log):
            try:
                rows = [self.splits.get(name) for name in ("validation", "test")]
                result = engine.fit(self.system, self.splits["train"], *rows, run=run.path, resume=resume, on_first_step=surroundings)
                with explain_unwritten(run, "its results", self.again):
                    self._write(run, result)
                    record_model(run, self.system, self.splits["train"])
                    run.update(status="finished", headline=self._headline(result))
                result.system = plain_module(self.system)
                return result
            except BaseException as error:
                with contextlib.suppress(RunError):  # a full disk must not hide what happened
                    if not (isinstance(error, RequestError) and before.restored(run)):
                        run.status = "interrupted" if isinstance(error, Interrupted) else "failed"
                log.debug("the run ended early", exc_info=not isinstance(error, RequestError))
                raise
            finally:
                for each in self.splits.values():
                    if hasattr(each, "close"):
                        each.close()  # a loader's workers hold open what another thread waits to see closed
                for thread in threads:
                    thread.join()

    def _write(self, run: RunDirectory, result: FitResult) -> None:
        """model/model.safetensors with the names of what was given, where in the run it is from, and results.json."""
        run.model.mkdir(exist_ok=True)
        weights: Path = run.model / WEIGHTS
        with whole_file(weights) as temporary:
            save_tensors(temporary, plain_module(self.system).state_dict())
        run.write_json(f"model/{POSITION}", position(result))
        results = build_results(
            metrics={
                split: {self.target: {name: value for name, value in found.items() if name != "loss"}, "loss": found.get("loss")}
                for split, found in result.metrics.items()
            },
            timing={**result.timing, "total_seconds": process_seconds()},
            realised=result.realised,
            stopped_because=result.stopped_because,
            best=result.best,
            seed=self.seed,
            weights_sha256=sha256_of(weights),
        )
        write_own(run, as_system(self.system))
        run.write_json("results.json", results)

    def _headline(self, result: FitResult) -> dict[str, Any]:
        """The one number of a run's listing."""
        split = next((name for name in ("test", "validation", "train") if result.metrics.get(name)), "")
        found = result.metrics.get(split, {})
        metric = result.monitor if result.monitor in found else next(iter(found), result.monitor)
        return {"target": "", "metric": metric, "value": found.get(metric), "split": split}


def position(result: FitResult) -> dict[str, int]:
    """Step and epoch of the kept weights, so that a later evaluation is at the same place of the run."""
    step = result.steps if result.best_step is None else result.best_step
    rows = [row for row in result.history if row["step"] == step]
    return {"step": step, "epoch": int(rows[-1]["epoch"] if rows else result.epochs)}

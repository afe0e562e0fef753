"""The network of a run, trained in its directory and measured: the part that a new run and a continued one share."""

from __future__ import annotations

import contextlib
import logging
import shlex
import threading
from typing import Any

import torch

from trainwright.api.batch_trial import try_supervised_batches
from trainwright.api.config import Config
from trainwright.api.finish import finish, headline_of, say_result, split_rows, training_rows
from trainwright.api.prepare import Prepared
from trainwright.api.trial import trial
from trainwright.api.unwritten import explain_unwritten
from trainwright.config.clock import process_seconds
from trainwright.config.errors import Interrupted, RequestError, RunError, TrainwrightError
from trainwright.engine.trainer import Trainer
from trainwright.engine.tuning import without_auto
from trainwright.runs.code import write_code
from trainwright.runs.directory import RunDirectory
from trainwright.runs.environment import environment
from trainwright.runs.log import log_to_file, warnings_as
from trainwright.systems.base import build_system
from trainwright.systems.supervised import SupervisedSystem

log = logging.getLogger(__name__)


class Training:
    """The system built for the prepared data, checked against the trainer's settings before any run directory is made."""

    def __init__(self, config: Config, prepared: Prepared) -> None:
        self.config, self.prepared = config, prepared
        self.system = SupervisedSystem(config.system.model)
        build_system(self.system, prepared.spec, seed=config.run.seed)
        self.system.transform_batches(config.data.transform)
        if self.system.batch_transforms is not None:
            try_supervised_batches(self.system, split_rows(prepared, "train"))
        self.trainer = Trainer(config.trainer, seed=config.run.seed, device=config.run.device, history=config.evaluation.history)
        if any(type(each).__module__.partition(".")[0] not in ("trainwright", "torch") for each in self.system.modules()):
            self.trainer.cautions = trial(self.system, {"train": split_rows(prepared, "train")}, torch.device("cpu"))
        drawn = len(prepared.table.train) if prepared.sampling is None else prepared.sampling.samples
        self.trainer.check(self.system, drawn, len(prepared.table.validation))

    def tune(self, run: RunDirectory) -> None:
        """Put numbers where the configuration says `auto`, measured on real steps, before it is written to the run."""
        with log_to_file(run.log), warnings_as(self.config.run.warnings):
            section = without_auto(self.trainer, self.system, training_rows(self.prepared), run=run.path)
        self.trainer.config = section
        self.config = self.config.model_copy(update={"trainer": section})

    def train(self, run: RunDirectory, resume: bool = False, fork: bool = False) -> dict[str, Any]:
        """Train in `run` (from its last checkpoint with `resume`, its parent's with `fork`), measure and write it; returns the results."""
        before = run.status
        run.status = "running"
        surroundings = Surroundings(run, self.config)
        with log_to_file(run.log), warnings_as(self.config.run.warnings):
            try:
                results = self._train(run, resume, fork, surroundings)
            except BaseException as error:
                with contextlib.suppress(RunError):  # a full disk must not hide what happened
                    refused = resume and isinstance(error, RequestError) and surroundings.thread.ident is None
                    run.status = before if refused else "interrupted" if isinstance(error, Interrupted) else "failed"
                log.debug("the run ended early", exc_info=True)
                if not isinstance(error, TrainwrightError | KeyboardInterrupt):
                    error.add_note(f"traceback: {run.log}")
                raise
            finally:
                surroundings.join()
            if self.config.evaluation.report:
                self._report(run)
            log.info("run:    %s (%.1f s)", run.path, process_seconds())
        return results

    def _train(self, run: RunDirectory, resume: bool, fork: bool, surroundings: Surroundings) -> dict[str, Any]:
        train, validation = training_rows(self.prepared), split_rows(self.prepared, "validation")
        trainer, start = self.trainer, surroundings.start
        fitted = trainer.fit(self.system, train, validation, run=run.path, resume=resume, fork=fork, on_first_step=start)
        with explain_unwritten(run, "its results", f"trainwright resume {shlex.quote(str(run.path))}, which makes what is missing"):
            from trainwright.api.inspect import record_model  # of no use before the first step

            results = finish(run, self.config, self.prepared, self.system, fitted)
            record_model(run, self.system, train)
            say_result(results, self.prepared.targets)
            run.update(status="finished", headline=headline_of(results, self.prepared))
        log.info("")
        return results

    def _report(self, run: RunDirectory) -> None:
        """The report of a run that is finished whether or not its report can be written."""
        from trainwright.api.report import write_report

        with explain_unwritten(run, "its report", f"trainwright report {shlex.quote(str(run.path))}"):
            log.info("report: %s", write_report(run.path))


class Surroundings:
    """Writes environment.json and code.json beside the first steps, so that neither git nor package metadata delay them."""

    def __init__(self, run: RunDirectory, config: Config) -> None:
        self.run, self.config = run, config
        self.thread = threading.Thread(target=self.record, daemon=True)
        self.start = self.thread.start

    def record(self) -> None:
        """Write both files; a disk that refuses them does no harm to the run."""
        try:
            self.run.write_json("environment.json", environment())
        except RunError as error:
            log.warning("the environment was not saved: %s", error.what)
        write_code(self.run, config=self.config.model_dump(mode="json"))

    def join(self) -> None:
        """Wait for the files."""
        if self.thread.ident is not None:
            self.thread.join()

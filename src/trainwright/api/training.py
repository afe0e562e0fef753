"""One run from its first step, or its last checkpoint, to its report: the same for whatever is trained."""

from __future__ import annotations

import contextlib
import logging
import shlex
import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from trainwright.api.parent import Parent
from trainwright.api.ranks import open_together, preparing, refuse_differences
from trainwright.api.requeued import note_job, warn_of_beginning
from trainwright.api.run_place import absent_folders, remove_unbegun
from trainwright.api.unwritten import explain_unwritten
from trainwright.config.clock import process_seconds
from trainwright.config.dump import dump
from trainwright.config.errors import FOREIGN, Interrupted, RequestError, RunError, TrainwrightError
from trainwright.domains.prepared import Finished, Prepared
from trainwright.engine.modes import num_threads
from trainwright.engine.trainer import FitResult, Trainer
from trainwright.engine.tuning import without_auto
from trainwright.files.text import refusal, write_text
from trainwright.parallel.handshake import check_shared
from trainwright.parallel.launched import is_waited_for
from trainwright.parallel.recording import record_errors
from trainwright.parallel.run_place import log_name, note_run
from trainwright.parallel.world import World
from trainwright.runs.code import write_code, write_configs
from trainwright.runs.directory import RunDirectory
from trainwright.runs.environment import command_line, environment
from trainwright.runs.log import log_to_file, warnings_as
from trainwright.runs.signing import sign

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Start:
    """How a run begins."""

    resume: bool = False
    """From its last checkpoint, where there is one."""
    parent: Parent | None = None
    """The run whose checkpoint it begins from."""
    files: Sequence[Path] = ()
    """The configuration files as a person wrote them, to be kept with the run."""
    python: bool = False
    """Whether a fix names arguments of Python instead of the command's."""
    quiet: bool = False
    """Whether Python's warnings are left as they are: `tw.fit` is called within a program of a person's own."""


def train_prepared(prepared: Prepared, start: Start | None = None) -> tuple[RunDirectory, FitResult]:
    """Train what was prepared in a run directory of its own, measure and report it.

    A request refused before the first step leaves no directory behind. Raises ConfigError, DataError or RunError then, and later whatever
    ends a run: NotFinite, Interrupted, Unwritten.
    """
    start = start or Start()
    try:
        with record_errors() if prepared.world.size > 1 or is_waited_for() else nullcontext():
            return _train_prepared(prepared, start)
    finally:
        note_run(None)


def _train_prepared(prepared: Prepared, start: Start) -> tuple[RunDirectory, FitResult]:
    trainer, world = prepared.trainer(), prepared.world
    with preparing(world):
        prepared.check(trainer)
    refuse_differences(prepared, trainer, start.resume)
    place = prepared.config.run
    absent = absent_folders(place.name)
    create = partial(RunDirectory.create, place.dir, place.name, resume=start.resume and bool(place.dir), python=start.python)
    run, training = open_together(world, create), None
    try:
        with run:
            if world.size > 1:
                check_shared(world, run.path)
            training = Training(run, prepared, trainer, start)
            return run, training.train()
    except RequestError:
        if world.is_main and (training is None or not training.begun):
            remove_unbegun(run, absent)
        raise


@dataclass
class Before:
    """What a run was before it was asked to continue, so that a request that is refused leaves it so."""

    status: Any
    config: str | None
    """Its config.yaml; None for a run that is new."""

    @classmethod
    def of(cls, run: RunDirectory) -> Before:
        """As it is now."""
        return cls(run.status, run.config.read_text(encoding="utf-8") if run.config.is_file() else None)

    def restore(self, run: RunDirectory) -> None:
        """Put it back."""
        write_text(run.config, self.config or "")
        sign(run.path)
        run.status = self.status


class Training:
    """What happens in the directory of a run while its lock is held; of several processes rank 0 holds it and writes, the others train."""

    def __init__(self, run: RunDirectory, prepared: Prepared, trainer: Trainer, start: Start) -> None:
        self.run, self.prepared, self.trainer, self.start = run, prepared, trainer, start
        self.world: World = prepared.world
        self.begun = False
        """Whether a step was made."""
        self.before = Before.of(run) if self.world.is_main else None
        """None in a process that leaves the run to rank 0."""
        self.surroundings = threading.Thread(target=self._record_surroundings, name="surroundings", daemon=True)

    def train(self) -> FitResult:
        """Train, measure and report; what ends the run early is written down and raised."""
        note_run(self.run.path if self.world.size > 1 or is_waited_for() else None, tell=self.world.is_main)
        with log_to_file(self._log()), self._modes():
            try:
                self._record()
                if self.world.is_main:
                    note_job(self.run)
                    warn_of_beginning(self.run, self.prepared.config)
                fitted = self._fit()
            except BaseException as error:
                self._end_early(error)
                raise
            finally:
                for rows in self.prepared.splits.values():
                    rows.close()  # a loader's workers hold open what another thread waits to see closed
                if self.surroundings.ident is not None:
                    self.surroundings.join()
            self.world.first(lambda: self._tell(fitted), patient=True)
            log.info("run:    %s (%.1f s)", self.run.path, process_seconds())
        return fitted

    def _log(self) -> Path:
        """Where this process logs."""
        if self.world.is_main:
            return self.run.log
        place = self.run.path / log_name(self.world.rank)
        place.parent.mkdir(exist_ok=True)
        return place

    def _tell(self, fitted: FitResult) -> None:
        """All that is made of a finished run for those who look at it."""
        config = self.prepared.config
        if config.evaluation.report:
            self._report()
        self._record_in_trackers(fitted)
        if config.trainer.progress == "file" and not self.start.quiet:
            self._export()

    @contextlib.contextmanager
    def _modes(self) -> Any:
        """Warnings and processor cores as the configuration says."""
        options = self.prepared.config.run
        warned: AbstractContextManager[None] = nullcontext() if self.start.quiet else warnings_as(options.warnings)
        with warned, num_threads(options.threads) if options.threads else nullcontext():
            yield

    def _record(self) -> None:
        """Put numbers where the configuration says `auto`, and write what was asked for and what the data are."""
        run, prepared, trainer = self.run, self.prepared, self.trainer
        trainer.continue_with = prepared.continue_with(run)
        rows = prepared.splits["train"]
        trainer.config = without_auto(trainer, prepared.system, rows, run=run.path, resume=self.start.resume)
        prepared.config = prepared.config.model_copy(update={"trainer": trainer.config})
        self.world.first(self._write)

    def _write(self) -> None:
        run, prepared = self.run, self.prepared
        try:
            if self.before is not None and self.before.config is None:
                self._record_data()
            # last: a run that has it is continued, and one without it is begun, with all these files
            write_text(run.config, dump(_without_place(prepared.config)))
            sign(run.path)
            write_configs(run, self.start.files)
        except OSError as error:
            raise refusal(error, run.path) from error
        run.status = "running"

    def _record_data(self) -> None:
        write_text(self.run.command, command_line() + "\n")
        for line in self.prepared.lines():
            log.debug(line)  # they were shown before there was a log
        self.prepared.record(self.run)
        if self.start.parent is not None:
            self.start.parent.hand_on(self.run)

    def _fit(self) -> FitResult:
        """Train and write the results, all that needs the system before it is closed."""
        staying: Callable[[], AbstractContextManager[None]] = getattr(self.prepared.system, "staying", nullcontext)
        with staying():
            return self._fit_open()

    def _fit_open(self) -> FitResult:
        prepared, run, start = self.prepared, self.run, self.start
        rows = [prepared.splits.get(name) for name in ("validation", "test")]
        fitted = self.trainer.fit(
            prepared.system,
            prepared.splits["train"],
            *rows,
            run=run.path,
            resume=start.resume,
            fork=start.parent is not None,
            on_first_step=self._on_first_step,
        )
        finished = self.world.first(lambda: self._finish(fitted), patient=True)
        for line in finished.lines if self.world.is_main else []:
            log.info(line)
        return fitted

    def _finish(self, fitted: FitResult) -> Finished:
        prepared, run = self.prepared, self.run
        with explain_unwritten(run, "its results", f"{self.trainer.continue_with}, which makes what is missing"):
            from trainwright.api.inspect import record_model  # of no use before the first step

            finished = prepared.finish(run, fitted)
            record_model(run, prepared.system, prepared.splits["train"])
            run.update(status="finished", headline=finished.headline)
        return finished

    def _on_first_step(self) -> None:
        self.begun = True
        if self.world.is_main:
            self.surroundings.start()

    def _record_surroundings(self) -> None:
        """Write environment.json and code.json beside the first steps, so that neither git nor package metadata delay them."""
        try:
            self.run.write_json("environment.json", environment())
        except RunError as error:
            log.warning("the environment was not saved: %s", error.what)
        write_code(self.run, config=self.prepared.config.model_dump(mode="json"))

    def _end_early(self, error: BaseException) -> None:
        """Say in the run how it ended; one that was refused before it went on is left as it was."""
        if self.before is None:
            log.debug("this rank ended early", exc_info=not isinstance(error, RequestError))
            return
        with contextlib.suppress(RunError):  # a full disk must not hide what happened
            if isinstance(error, RequestError) and not self.begun and self.before.config is not None:
                self.before.restore(self.run)
            else:
                self.run.status = "interrupted" if isinstance(error, Interrupted) else "failed"
        log.debug("the run ended early", exc_info=not isinstance(error, RequestError))
        if not isinstance(error, TrainwrightError | KeyboardInterrupt) and not self.start.quiet:
            error.add_note(f"traceback: {self.run.log}")

    def _record_in_trackers(self, fitted: FitResult) -> None:
        """Tell the trackers what there is at the end; whatever goes wrong there, the run is finished."""
        from trainwright.api.record_in_trackers import record_in_trackers  # of no use before

        try:
            record_in_trackers(self.trainer.trackers, self.run, self.prepared.config, fitted.steps)
        except FOREIGN as error:  # a tracker may be a person's own
            log.warning("the trackers were not told the results: %s: %s", type(error).__name__, error)
            log.debug("where it arose", exc_info=True)

    def _report(self) -> None:
        """The report of a run that is finished whether or not its report can be written."""
        from trainwright.api.report import write_report

        with explain_unwritten(self.run, "its report", f"trainwright report {shlex.quote(str(self.run.path))}"):
            log.info("report: %s", write_report(self.run.path))

    def _export(self) -> None:
        """Copy the finished model beside the run, as `trainwright export` does, and name its files on standard output."""
        from trainwright.api.export import export_run

        place = self.run.path.with_name(f"{self.run.path.name}-model")
        if place.exists():
            log.warning("%s is there already; export another time: trainwright export %s -o FOLDER", place, shlex.quote(str(self.run.path)))
            return
        for each in export_run(self.run.path, place).files:
            print(each, flush=True)


def _without_place(config: Any) -> Any:
    """The configuration as it may be used again elsewhere."""
    return config.model_copy(update={"run": config.run.model_copy(update={"dir": ""})})

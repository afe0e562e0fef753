"""A child run: begun where another run was, with settings of its own."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from trainwright.api.config import read_config
from trainwright.api.prepare import prepare
from trainwright.api.resume import with_config
from trainwright.api.run import Run
from trainwright.checkpoint.store import CheckpointStore
from trainwright.config.errors import RequestError, RunError
from trainwright.config.trust import as_received
from trainwright.files.text import refusal
from trainwright.files.whole import whole_file, whole_folder
from trainwright.runs.directory import RunDirectory

log = logging.getLogger(__name__)


def fork(path: str | os.PathLike[str], overrides: Iterable[str] = ()) -> Run:
    """Begin a child of the run at `path` from its newest checkpoint; its settings are that run's, replaced by `overrides`.

    Weights go on, the optimizer's state too where it is the same optimizer; what is best, patience and the like begin anew. Raises
    RunError when `path` is no run, is being written, or has no checkpoint; ConfigError for settings that do not fit.
    """
    return _fork(with_config(path), list(overrides))


@as_received
def _fork(parent: RunDirectory, overrides: list[str]) -> Run:
    from trainwright.api.resolve import resolve_config
    from trainwright.api.train import record_start
    from trainwright.api.training import Training

    config = read_config(parent.config, overrides)
    refuse_alive(parent)
    checkpoint = CheckpointStore(parent.checkpoints).latest()
    if checkpoint is None:
        raise without_checkpoint(parent)
    prepared = prepare(config, None)
    config = resolve_config(config, prepared)
    training = Training(config, prepared)
    run = RunDirectory.create(config.run.dir, config.run.name)
    try:
        with run:
            try:
                record_start(run, config, prepared)
                run.update(parent=str(parent.path.absolute()), forked_at=checkpoint.manifest.step)
                keep_history(parent, run)
                copy_files(checkpoint.folder, run.checkpoints / checkpoint.folder.name)
            except OSError as error:
                raise refusal(error, run.path) from error
            log.info("a child of %s, from step %d: %s", parent.path, checkpoint.manifest.step, run.path)
            training.train(run, fork=True)
    except RequestError:  # refused before its first step: the child is not left behind
        shutil.rmtree(run.path, ignore_errors=True)
        raise
    return Run(RunDirectory.open(run.path))


def without_checkpoint(parent: RunDirectory) -> RunError:
    """The error for a parent that no child can begin from: with what can be done instead."""
    kind = read_config(parent.config).trainer.checkpoint.type
    if kind == "full":
        return RunError("this run has no checkpoint yet", where=str(parent.path), fix="continue it first, or start a new run")
    fix = "start a new run; one with trainer.checkpoint: full can have children"
    return RunError("no child can begin from this run", where=str(parent.path), why=f"its trainer.checkpoint is '{kind}'", fix=fix)


def refuse_alive(parent: RunDirectory) -> None:
    """Raise RunError while another process writes the parent: its newest checkpoint may go while it is copied."""
    if parent.alive:
        raise RunError("this run is being written", where=str(parent.path), fix="wait for it, or stop it")


def copy_files(source: Path, target: Path) -> None:
    """A checkpoint's files, linked where the file system can: they never change."""
    with whole_folder(target) as temporary:
        for each in source.iterdir():
            try:
                os.link(each, temporary / each.name)
            except OSError:
                shutil.copy2(each, temporary / each.name)


def keep_history(parent: RunDirectory, run: RunDirectory) -> None:
    """The parent's logged rows are the child's past."""
    if parent.metrics.is_file():
        with whole_file(run.metrics) as temporary:
            shutil.copyfile(parent.metrics, temporary)

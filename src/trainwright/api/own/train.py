"""Training a system of one's own from a configuration, and continuing it."""

from __future__ import annotations

import logging
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from trainwright.api.config import Config, checked, read_config
from trainwright.api.own.prepare import PreparedSystem, check_own, prepare_own, trainer_for
from trainwright.api.report import write_report
from trainwright.api.resume import existing, refuse_changes, say_finished
from trainwright.api.run import Run
from trainwright.api.run_place import refuse_taken, remove_unbegun
from trainwright.api.system_run import SystemRun
from trainwright.api.unwritten import explain_unwritten
from trainwright.config.compose import Composed
from trainwright.config.dump import dump
from trainwright.config.errors import RequestError, RunError
from trainwright.config.trust import as_received
from trainwright.engine.tuning import as_before
from trainwright.runs.directory import RunDirectory, folder_name
from trainwright.runs.log import warnings_as

log = logging.getLogger("trainwright.fit")


@as_received
def train_own(composed: Composed, resume: bool = False) -> Run:
    """Train what a composed configuration with `system:` says; with `resume` continue the run that is there, if there is one."""
    config = with_name(checked(composed))
    if resume:
        found = existing(config)
        if found is not None and found.config.is_file():
            return continue_own(found, config, composed.files)
    else:
        refuse_taken(config)
    prepared = prepare_own(config)
    engine = trainer_for(config, "")
    check_own(config, prepared, engine)
    absent = [folder for folder in (Path("runs") / folder_name(config.run.name), Path("runs")) if not folder.exists()]
    run = RunDirectory.create(config.run.dir, config.run.name, resume=resume and bool(config.run.dir))
    try:
        with run:
            return _train_in(run, config, prepared, engine, resume, composed.files)
    except RequestError:
        remove_unbegun(run, absent)
        raise


@as_received
def dry_run_own(composed: Composed, resume: bool = False) -> None:
    """Check the place, open the data, make the system and try a step on a few rows, as `train_own` would, and write nothing."""
    config = with_name(checked(composed))
    if not resume:
        refuse_taken(config)
    prepared = prepare_own(config)
    engine = trainer_for(config, "")
    check_own(config, prepared, engine)
    engine.say_cautions()
    for name, rows in prepared.splits.items():
        log.info("%s: %s %s", name, f"{len(rows):,}", "batches" if rows.batched else "rows")
    parameters = sum(each.numel() for each in prepared.system.parameters())
    log.info("system: %s, %s parameters", config.system.type, f"{parameters:,}")
    log.info("nothing was written")


def refuse_fork(found: RunDirectory) -> NoReturn:
    """Raise RunError: a child run of a system of one's own begins from weights."""
    fix = f"name its weights in a configuration: system: {{…, weights: {found.path}}}"
    raise RunError("a run of a system of one's own cannot be forked yet", where=str(found.path), fix=fix)


def with_name(config: Config) -> Config:
    """The configuration with the name of its run."""
    name = config.run.name or default_name(config)
    return config.model_copy(update={"run": config.run.model_copy(update={"name": name})})


def default_name(config: Config) -> str:
    """The last word of what is trained: `MySystem`, `Net`, `graph`."""
    model = getattr(config.system, "model", None)
    written = config.system.type if config.system.type != "plain" or model is None else model.type
    return folder_name(str(written).rpartition(":")[2].rpartition(".")[2].rpartition("/")[2] or "system")


@as_received
def resume_own(found: RunDirectory, overrides: Any = ()) -> Run:
    """Continue a run from its own configuration."""
    return continue_own(found, with_name(read_config(found.config, list(overrides))))


def continue_own(found: RunDirectory, config: Config, files: Sequence[Path] = ()) -> Run:
    """Continue `found`, whose configuration may differ only where the past is not touched."""
    saved = saved_config(found)
    config = config.model_copy(
        update={"trainer": as_before(config.trainer, saved.trainer), "run": config.run.model_copy(update={"name": saved.run.name})}
    )
    refuse_changes(saved, config, found)
    if found.status == "finished":
        say_finished(saved, config, found)
        return Run(found)
    prepared = prepare_own(config)
    engine = trainer_for(config, "")
    check_own(config, prepared, engine)
    with RunDirectory.create(str(found.path), found.name, resume=True) as run:
        log.info("continuing %s", run.path)
        return _train_in(run, config, prepared, engine, True, files)


def saved_config(found: RunDirectory) -> Config:
    """The configuration a run was trained with."""
    return read_config(found.config)


def _train_in(run: RunDirectory, config: Config, prepared: PreparedSystem, engine: Any, resume: bool, files: Sequence[Path]) -> Run:
    again = f"trainwright resume {shlex.quote(str(run.path))}"
    engine.continue_with = again

    def written(section: Any) -> str:
        place = config.run.model_copy(update={"dir": ""})
        return dump(config.model_copy(update={"trainer": section, "run": place}))

    missing = f"{again}, which makes what is missing"
    work = SystemRun(engine, prepared.system, prepared.splits, written, config.run.seed, missing, files)
    with warnings_as(config.run.warnings):
        result = work.train(run, resume)
    for split, found in result.metrics.items():
        if split == "test":
            log.info("test: %s", "  ".join(f"{name} {value:.4g}" for name, value in found.items()))
    with explain_unwritten(run, "its report", f"trainwright report {shlex.quote(str(run.path))}"):
        log.info("report: %s", write_report(run.path))
    log.info("run:    %s", run.path)
    return Run(RunDirectory.open(run.path))


__all__ = ["resume_own", "saved_config", "train_own"]

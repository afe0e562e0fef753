"""A job of Slurm's that begins again: which job writes a run, and a loud word where it has nothing to go on from."""

from __future__ import annotations

import logging
import os
from pathlib import Path

from trainwright.checkpoint.store import CheckpointStore
from trainwright.config.errors import RunError
from trainwright.parallel.slurm.records import this_job
from trainwright.runs.directory import RunDirectory
from trainwright.runs.info import read_info
from trainwright.systems.run_config import Config

log = logging.getLogger("trainwright.runs")


def restarts() -> int:
    """How often the job of this process was requeued; Slurm says nothing of it at the first start."""
    told = os.environ.get("SLURM_RESTART_COUNT", "")
    return int(told) if told.isdigit() else 0


def note_job(run: RunDirectory) -> None:
    """Write into run.json which job writes the run, so that `trainwright runs --slurm` knows it."""
    job = this_job()
    if job and run.info.get("job") != job:
        run.update(job=job)


def warn_of_beginning(run: RunDirectory, config: Config) -> None:
    """Say loudly that a job which was requeued begins with the first step, and why that is so; nothing where it goes on."""
    if not this_job() or not restarts() or CheckpointStore(run.checkpoints).list_manifests():
        return
    again = f"job {this_job()} was requeued (restart {restarts()}) and HAS NO CHECKPOINT: it begins with the first step"
    log.warning("!!! %s !!!\n!!! %s", again, why_there_is_none(run, config))


def why_there_is_none(run: RunDirectory, config: Config) -> str:
    """The reason, and what to do about it, in one line."""
    if not run.resumed:
        before = earlier_of_job(run.path)
        wrote = f"its start before wrote {before}, and this one begins" if before else "this start begins"
        return f"{wrote} another directory, {run.path}: fix it by run.dir=DIR --resume, or submit with launch=slurm"
    kind = config.trainer.checkpoint.type
    if kind != "full":
        return f"trainer.checkpoint is {kind}, so nothing can be continued: leave that out"
    return (
        f"none was ever written in {run.path}: its start before ended before its first checkpoint, or without a signal to save on; "
        "save sooner (trainer.checkpoint.every), or give it more time"
    )


def earlier_of_job(path: Path) -> Path | None:
    """Another run beside this one that the same job has written, the last one; None where there is none."""
    found = []
    for each in path.absolute().parent.glob("*/run.json"):
        try:
            info = read_info(each.parent) or {}
        except RunError:
            continue
        if info.get("job") == this_job() and each.parent != path.absolute():
            found.append((str(info.get("created", "")), each.parent))
    return max(found)[1] if found else None

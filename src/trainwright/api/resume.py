"""Continuing a run: the same data, the same configuration, from the last whole checkpoint."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from trainwright.api.kinds import prepare_run, with_name
from trainwright.api.ranks import join_for, preparing
from trainwright.api.run import Run
from trainwright.api.training import Start, train_prepared
from trainwright.config.compose import Assignment
from trainwright.config.errors import ConfigError, RunError
from trainwright.config.flat import flat
from trainwright.config.trust import as_received
from trainwright.data.source import Source
from trainwright.engine.tuning import as_before
from trainwright.parallel.world import World
from trainwright.runs.configured import with_config
from trainwright.runs.directory import RunDirectory
from trainwright.systems.run_config import Config, read_config

log = logging.getLogger(__name__)

LENGTHS = ("trainer.max_epochs", "trainer.max_steps", "trainer.max_time")
"""How long the run is: a run that has ended has the length it was given."""

FREE = (
    *("run.dir", "run.name", "run.threads", "run.device", "run.warnings", "evaluation.", "launch."),
    *("data.cache", "data.cache_memory", "data.cache_limit"),
    *("trainer.trackers", "trainer.evaluate_every", "trainer.log_every", "trainer.checkpoint.", "trainer.recovery.", "trainer.callbacks"),
    *("trainer.loader.", "trainer.tuning.", "trainer.accumulation", "trainer.evaluation_batch_size", "trainer.micro_batch_size"),
    *("trainer.sanity_check", "trainer.early_stopping", "trainer.progress", "system.hyperparameters"),
    *LENGTHS,
)
"""Settings that may differ when a run is continued: they cannot change the steps already made (the engine looks at schedules itself)."""


def existing(config: Config, python: bool = False) -> RunDirectory | None:
    """The run that `--resume` means: the one in `run.dir`, or the latest of the run's name; None when there is none yet."""
    if config.run.dir:
        return RunDirectory.open(config.run.dir) if Path(config.run.dir).exists() and any(Path(config.run.dir).iterdir()) else None
    if not config.run.name:
        fix = "name it with run.dir=DIR or run.name=NAME, or use `trainwright resume RUN`"
        fix = "give its directory: tw.train(…, run_dir=DIR, resume=True)" if python else fix
        raise ConfigError(f"{'resume=True' if python else '--resume'} needs to know which run", fix=fix)
    try:
        return RunDirectory.open(Path("runs") / config.run.name)
    except RunError:
        return None


def resume(path: str | os.PathLike[str], overrides: Iterable[str | Assignment] = ()) -> Run:
    """Continue the run at `path` from its own configuration; raises RunError when it is no run, ConfigError for a change of its past."""
    return _resume(with_config(path), list(overrides))


@as_received
def _resume(found: RunDirectory, overrides: list[str | Assignment]) -> Run:
    if found.status == "finished" and not overrides:
        log.info("this run is finished: %s", found.path)
        return Run(found)
    config = with_name(read_config(found.config, overrides))
    return continue_run(found, config, world=join_for(config))


def continue_run(
    found: RunDirectory, config: Config, source: Source | None = None, files: Sequence[Path] = (), world: World | None = None
) -> Run:
    """Continue `found`, whose configuration may differ from `config` only where the past is not touched."""
    saved = read_config(found.config)
    place = config.run.model_copy(update={"dir": str(found.path), "name": saved.run.name})
    config = config.model_copy(update={"trainer": as_before(config.trainer, saved.trainer), "run": place})
    if source is not None:
        config = config.model_copy(update={"data": config.data.model_copy(update={"source": saved.data.source})})
    with preparing(world or World()):
        prepared = prepare_run(config, source, world)
        refuse_changes(saved, prepared.config, found)
        prepared.refuse_other_data(found)
    if prepared.world.first(lambda: found.status == "finished"):
        say_finished(saved, prepared.config, found)
        return Run(found)
    log.info("continuing %s", found.path)
    train_prepared(prepared, Start(resume=True, files=files))
    return Run(RunDirectory.open(found.path))


def refuse_changes(saved: Config, config: Config, found: RunDirectory) -> None:
    """Raises ConfigError naming every setting that would change what was already trained."""
    finished = found.status == "finished"
    changed = changed_settings(saved, config, free=tuple(key for key in FREE if not (finished and key in LENGTHS)))
    if not changed:
        return
    said = "; ".join(f"{key}: {old!r} → {new!r}" for key, old, new in changed[:8])
    fix = "leave them as they were (`trainwright resume RUN` does), or begin a child run with them: trainwright resume RUN --fork key=value"
    if finished and all(key.startswith(LENGTHS) for key, _, _ in changed):
        fix = "begin a child run of another length from here: trainwright resume RUN --fork key=value"
    if saved.trainer.checkpoint.type != "full":
        fix = "leave them as they were, or start a new run in another place; one with trainer.checkpoint: full can have children"
    raise ConfigError(
        "this run is finished, with other settings" if finished else "this run cannot be continued with other settings",
        where=str(found.path),
        why=said + (f" and {len(changed) - 8} more" if len(changed) > 8 else ""),
        fix=fix,
    )


def changed_settings(saved: Any, config: Any, free: tuple[str, ...] = FREE) -> list[tuple[str, Any, Any]]:
    """Key, value before and value now of every setting that differs, but those that are `free` to."""
    before, now = flat(saved.model_dump(mode="json")), flat(config.model_dump(mode="json"))
    keys = [key for key in sorted(before.keys() | now.keys()) if before.get(key) != now.get(key) and not key.startswith(free)]
    return [(key, before.get(key), now.get(key)) for key in keys]


def say_finished(saved: Any, config: Any, found: RunDirectory) -> None:
    """Say that there is nothing to continue, and which settings that were given have no effect by it."""
    log.info("this run is finished: %s", found.path)
    before, now = flat(saved.model_dump(mode="json")), flat(config.model_dump(mode="json"))
    changed = [key for key in sorted(now) if before.get(key) != now[key] and key not in ("run.dir", "run.name")]
    if changed:
        log.warning("what was asked for has no effect on it: %s", ", ".join(changed))

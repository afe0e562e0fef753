"""From a configuration to a run: read, check, train, measure, explain."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trainwright.api.exit_codes import exit_as_promised
from trainwright.api.kinds import prepare_run, with_name
from trainwright.api.programs import in_ranks, ranks_to_start
from trainwright.api.ranks import join_for, preparing, say_alone
from trainwright.api.resume import continue_run, existing
from trainwright.api.run import Run
from trainwright.api.run_place import refuse_taken
from trainwright.api.training import Start, train_prepared
from trainwright.config.compose import Composed, assign_option
from trainwright.config.trust import as_received, trusting
from trainwright.data.source import Source
from trainwright.domains.prepared import Prepared
from trainwright.engine.forked import compute_without_lost_threads
from trainwright.parallel.launched import read_launch
from trainwright.parallel.world import World
from trainwright.runs.directory import RunDirectory, named_place
from trainwright.systems.run_config import Config, check_config, compose_config

log = logging.getLogger(__name__)

TABLE = "the table"
"""What the first argument is called among those by name, of which `data` is the section."""


def train(
    data: Any = None,
    /,
    *,
    target: str | list[str] | None = None,
    config: str | os.PathLike[str] | Mapping[str, Any] | None = None,
    run_dir: str | os.PathLike[str] | None = None,
    resume: bool = False,
    devices: int | str | None = None,
    trust_code: bool = False,
    **sections: Any,
) -> Run:
    """Train on a path, DataFrame, Arrow table or mapping of arrays, or what a configuration with `system` says, and return the run.

    `config` is a YAML file or a mapping; sections given by name are laid over it: `trainer={"max_epochs": 10}`, `data={"split": …}`
    (the table itself is the first argument and has no name). With `resume` a run already in `run_dir` is continued. `devices=2` trains
    in two processes, each on a GPU of its own where there are GPUs. `trust_code` lets the configuration of a run that somebody else made
    or changed name code. Raises ConfigError, DataError or RunError, before anything is
    written, for a wrong request.
    """
    from trainwright.runs.log import console_logging

    given = {"target": target, "config": config, "run_dir": run_dir, "resume": resume, "devices": devices}
    given |= {"trust_code": trust_code, **sections}
    exit_as_promised()
    if not logging.getLogger("trainwright").handlers:
        console_logging(rank=read_launch().rank)
    source, overrides = None, []
    if data is not None:
        source = _source_of(data)
        named = str(data) if source is None else {"type": "parquet", "path": "data.parquet"}
        overrides.append(assign_option("data.source", named, "tw.train(data)"))
    if target is not None:
        overrides.append(assign_option("targets", [target] if isinstance(target, str) else list(target), "tw.train(target)"))
    if run_dir is not None:
        overrides.append(assign_option("run.dir", named_place(run_dir), "tw.train(run_dir)"))
    overrides += [assign_option(name, value, f"tw.train({name})") for name, value in sections.items()]
    if devices is not None:
        overrides.append(assign_option("launch.devices", devices, f"tw.train(devices={devices!r})"))
    with trusting(trust_code):
        composed = compose_config(config, overrides)
        checked = check_config(composed)
        if size := ranks_to_start(checked):
            return Run(RunDirectory.open(in_ranks(train_in_rank, {TABLE: data, **given}, checked, size, where="tw.train")))
        return train_composed(composed, resume=resume, source=source, python=True)


def train_in_rank(given: dict[str, Any]) -> str:
    """The same call in one of several processes; the directory of the run."""
    data = given.pop(TABLE)
    return str(train(data, **given).path)


def _source_of(data: Any) -> Source | None:
    """Data in memory as a source; None for a path, which the configuration can name."""
    if isinstance(data, str | os.PathLike):
        return None
    from trainwright.data.sources.opening import from_object

    return from_object(data)


@as_received
def train_composed(composed: Composed, resume: bool = False, source: Source | None = None, python: bool = False) -> Run:
    """Train what a composed configuration says; with `resume` continue the run that is there, if there is one.

    With `python`, a fix names the arguments of `tw.train` instead of the command's.
    """
    compute_without_lost_threads()
    config = with_name(check_config(composed))
    world = join_for(config)
    place = world.first(lambda: look_at_place(config, resume, python))  # rank 0 alone: it may have made the directory before another looks
    if place is not None:
        return continue_run(RunDirectory.open(place), config, source, composed.files, world)
    prepared = read_and_show(config, source, world)
    run, _ = train_prepared(prepared, Start(resume=resume, files=composed.files))
    return Run(RunDirectory.open(run.path))


def look_at_place(config: Config, resume: bool, python: bool) -> Path | None:
    """The run that is continued, None where one begins. Raises ConfigError or RunError for a place that is taken, or cannot be."""
    if not resume:
        refuse_taken(config, python)
        return None
    found = existing(config, python)
    return found.path if found is not None and found.config.is_file() else None


@as_received
def dry_run(composed: Composed, resume: bool = False) -> None:
    """Check the place, read, check and show the data and make the system, as `train_composed` would, and write nothing."""
    config = with_name(check_config(composed))
    say_alone(config, "a dry run is made")
    if not resume:
        refuse_taken(config)
    prepared = read_and_show(config)
    trainer = prepared.trainer()
    prepared.check(trainer)
    trainer.say_cautions()
    parameters = sum(each.numel() for each in prepared.system.parameters())
    log.info("%s, %s parameters", prepared.describe_system(), f"{parameters:,}")
    log.info("nothing was written")


def read_and_show(config: Config, source: Source | None = None, world: World | None = None) -> Prepared:
    """What a configuration asks for, with its data, which are shown."""
    with preparing(world or World()):
        prepared = prepare_run(config, source, world)
        lines = prepared.lines()
    for line in lines:
        log.info(line)
    return prepared

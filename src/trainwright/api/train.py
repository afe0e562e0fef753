"""One supervised run from beginning to end: read, check, train, measure, explain."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from trainwright.api.config import Config, checked, compose_config, is_supervised
from trainwright.api.prepare import Prepared, prepare
from trainwright.api.resolve import resolve_config
from trainwright.api.run import Run
from trainwright.api.run_place import refuse_taken, remove_unbegun
from trainwright.api.show import data_lines
from trainwright.config.compose import Composed, assign_option
from trainwright.config.dump import dump
from trainwright.config.errors import RequestError
from trainwright.config.trust import as_received, trusting
from trainwright.data.expressions.selected import SelectedSource
from trainwright.data.source import Source
from trainwright.files.text import refusal
from trainwright.files.whole import whole_file
from trainwright.parallel.launched import ensure_one_process
from trainwright.runs.code import write_configs
from trainwright.runs.directory import RunDirectory, folder_name, named_place
from trainwright.runs.signing import sign

log = logging.getLogger(__name__)


def train(
    data: Any = None,
    /,
    *,
    target: str | list[str] | None = None,
    config: str | os.PathLike[str] | Mapping[str, Any] | None = None,
    run_dir: str | os.PathLike[str] | None = None,
    resume: bool = False,
    trust_code: bool = False,
    **sections: Any,
) -> Run:
    """Train on a path, DataFrame, Arrow table or mapping of arrays, or what a configuration with `system` says, and return the run.

    `config` is a YAML file or a mapping; sections given by name are laid over it: `trainer={"max_epochs": 10}`, `data={"split": …}`
    (the table itself is the first argument and has no name). With `resume` a run already in `run_dir` is continued. `trust_code` lets the
    configuration of a run that somebody else made or changed name code. Raises ConfigError, DataError or RunError, before anything is
    written, for a wrong request.
    """
    from trainwright.runs.log import console_logging

    ensure_one_process("train this run")
    if not logging.getLogger("trainwright").handlers:
        console_logging()
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
    with trusting(trust_code):
        return train_composed(compose_config(config, overrides), resume=resume, source=source, python=True)


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
    config = checked(composed)
    if not is_supervised(config.system):
        from trainwright.api.own.train import train_own

        return train_own(composed, resume=resume)
    if resume:
        from trainwright.api.resume import existing, resume_run

        found = existing(config, python)
        if found is not None and found.config.is_file():
            return resume_run(found, config, source=source)
    else:
        refuse_taken(config, python)
    prepared, config = read_and_show(config, source)
    return _run(config, prepared, in_memory=source is not None, resume=resume, files=composed.files)


@as_received
def dry_run(composed: Composed, resume: bool = False) -> None:
    """Check the place, read, check and show the data and build the model, as `train_composed` would, and write nothing."""
    from trainwright.api.training import Training

    config = checked(composed)
    if not is_supervised(config.system):
        from trainwright.api.own.train import dry_run_own

        dry_run_own(composed, resume)
        return
    if not resume:
        refuse_taken(config)
    prepared, config = read_and_show(config, None)
    training = Training(config, prepared)
    training.trainer.say_cautions()
    parameters = sum(each.numel() for each in training.system.parameters())
    log.info("model: %s, %s parameters", config.system.model.combiner.type, f"{parameters:,}")
    log.info("nothing was written")


def read_and_show(config: Config, source: Source | None) -> tuple[Prepared, Config]:
    """The prepared data, shown, and the configuration with what was found in them."""
    prepared = prepare(config, source)
    for line in data_lines(prepared):
        log.info(line)
    return prepared, resolve_config(config, prepared)


def _run(config: Config, prepared: Prepared, in_memory: bool, resume: bool, files: Sequence[Path] = ()) -> Run:
    """Make the run directory (with `resume`, one that holds nothing yet may be there) and train in it.

    A request refused before the first step leaves no directory behind.
    """
    from trainwright.api.training import Training

    training = Training(config, prepared)
    absent = [folder for folder in (Path("runs") / folder_name(config.run.name), Path("runs")) if not folder.exists()]
    run = RunDirectory.create(config.run.dir, config.run.name, resume=resume and bool(config.run.dir))
    try:
        with run:
            try:
                if in_memory:
                    config = keep_data(run, config, prepared)
                    training.config = config
                training.tune(run)
                record_start(run, training.config, prepared)
                write_configs(run, files)
            except OSError as error:
                raise refusal(error, run.path) from error
            training.train(run, resume=resume)
    except RequestError:
        remove_unbegun(run, absent)
        raise
    return Run(RunDirectory.open(run.path))


def keep_data(run: RunDirectory, config: Config, prepared: Prepared) -> Config:
    """Write data that were only in memory beside the run, so that it can be continued and repeated."""
    import pyarrow.parquet as pq

    path, source = run.path / "data.parquet", prepared.source
    given = source.source if isinstance(source, SelectedSource) else source
    with whole_file(path) as temporary:
        pq.write_table(given.read(), temporary)
    options = config.data.source.model_copy(update={"path": str(path.absolute())})
    return config.model_copy(update={"data": config.data.model_copy(update={"source": options})})


def record_start(run: RunDirectory, config: Config, prepared: Prepared) -> None:
    """Write what was asked for and what the data are: config.yaml, command.txt, data.json, splits.parquet."""
    from trainwright.api.blocks import write_table
    from trainwright.files.text import write_text
    from trainwright.runs.environment import command_line

    write_text(run.command, command_line() + "\n")
    run.write_json("data.json", prepared.describe())
    import pyarrow.parquet as pq

    with whole_file(run.splits) as temporary:
        pq.write_table(prepared.split.record(prepared.in_source(np.arange(len(prepared.source)))), temporary)
    prepared.split.hashes = None  # recorded now, and of no further use
    run.update(targets=prepared.targets, source=prepared.source.name)
    write_table(run, {}, prepared.targets)
    # last: a run that has it is continued, and one without it is begun, with all these files
    write_text(run.config, dump(config.model_copy(update={"run": config.run.model_copy(update={"dir": ""})})))
    sign(run.path)

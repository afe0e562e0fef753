"""A child run that answers as its parent does, but says how sure it is: what is fitted after training, fitted on rows held out."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from typing import Any

from trainwright.api.inspect import record_model
from trainwright.api.parent import Parent, name_parent, require_finished
from trainwright.api.predictors.kinds import kind_of
from trainwright.api.run import Run
from trainwright.api.run_place import absent_folders, refuse_taken, remove_unbegun
from trainwright.calibration import CalibrationMethod
from trainwright.calibration.fitting import merge_methods, named, usual_of
from trainwright.checkpoint.store import CheckpointStore
from trainwright.config.compose import Assignment, assign_option, override
from trainwright.config.dump import dump
from trainwright.config.errors import RequestError
from trainwright.config.part import load_named
from trainwright.config.places import spell_key
from trainwright.config.trust import as_received, name_own
from trainwright.domains.calibrating import Calibrating
from trainwright.domains.place import find_place
from trainwright.files.text import refusal, write_text
from trainwright.runs.directory import RunDirectory
from trainwright.runs.environment import command_line, environment
from trainwright.runs.log import log_to_file
from trainwright.runs.signing import sign
from trainwright.systems.run_config import Config, read_config

log = logging.getLogger(__name__)

METHODS = "evaluation.calibration"
Method = str | Mapping[str, Any] | CalibrationMethod


def calibrate(
    path: str | os.PathLike[str],
    data: Any = None,
    *,
    methods: Sequence[Method] = (),
    settings: Sequence[str | Assignment] = (),
    targets: Sequence[str] = (),
    where: str = "tw.calibrate(methods)",
) -> Run:
    """A calibrated child of the run at `path`, fitted on its validation rows or on the labelled rows of `data`; the parent stays as it is.

    `methods`: names or mappings with `type`; default: temperature for classes, conformal intervals for numbers, of all `targets` or those
    named. Of a run that is calibrated already one of the same stage and target is replaced, all else stays and is fitted anew;
    `evaluation.calibration` among the settings replaces them all. `where`: what messages call the methods. Raises RunError for a run
    that is being written, has no model or whose data changed, ConfigError for a method that does not fit, DataError for rows without
    the target.
    """
    place = find_place(path)
    if place.run is None:
        why = "it has no validation rows to fit on, and no test rows to show what it is worth"
        raise RequestError("an exported model cannot be calibrated", where=str(path), why=why, fix="calibrate its run, then export that")
    return _calibrate(require_finished(place.run), data, methods, list(settings), targets, where)


@as_received
def _calibrate(
    found: RunDirectory, data: Any, methods: Sequence[Method], settings: list[str | Assignment], targets: Sequence[str], where: str
) -> Run:
    kind = kind_of(find_place(found))
    if not kind.calibrate:
        why = "nothing says which of its outputs are logits, nor which block of a batch has their truth"
        fix = "fit on what its predict gives: tw.calibration.fit_temperature(logits, truth)"
        raise RequestError("this run cannot be calibrated by a command", where=str(found.path), why=why, fix=fix)
    whole = any(spell_key((override(each) if isinstance(each, str) else each).path).startswith(METHODS) for each in settings)
    if whole and (methods or targets):
        twice = "methods" if methods else "targets"
        raise RequestError(f"{twice} are named twice", where=where, why=f"{METHODS} says them all", fix="leave one of them out")
    config = with_place(read_config(found.config, settings), found)
    there = list(config.evaluation.calibration)
    written = [each.model_dump(mode="json") if isinstance(each, CalibrationMethod) else each for each in methods]
    given = read_methods(found, assign_option(METHODS, written, where)) if written else []
    given = [each.model_copy(update={"targets": list(targets)}) if targets and not named(each) else each for each in given]
    refuse_taken(config, again="")
    made: Calibrating = load_named(kind.calibrate)(found, config, data)
    made.choose(lambda kinds: merge_methods(there, given or usual_of(targets, kinds), kinds, whole))
    return _write(found, made)


def read_methods(found: RunDirectory, asked: Assignment) -> list[CalibrationMethod]:
    """The methods that somebody names, checked as options of the run; their code is that of who names it."""
    name_own(node.value for node in asked.value.walk() if isinstance(node.value, str))
    return list(read_config(found.config, [asked]).evaluation.calibration)


def with_place(config: Config, found: RunDirectory) -> Config:
    """The configuration with the name of the parent, where none is given for the child."""
    named = config.run.model_copy(update={"name": config.run.name or found.name})
    return config.model_copy(update={"run": named})


def _write(parent: RunDirectory, made: Calibrating) -> Run:
    """The directory of the child, whole or not there."""
    place = made.config.run
    absent = absent_folders(place.name)
    with RunDirectory.create(place.dir, place.name) as child:
        try:
            with log_to_file(child.log):
                _fill(child, parent, made)
        except BaseException as error:
            remove_unbegun(child, absent)
            if isinstance(error, OSError):
                raise refusal(error, child.path) from error
            raise
    log.info("run:    %s, a child of %s", child.path, parent.path)
    return Run(RunDirectory.open(child.path))


def _fill(child: RunDirectory, parent: RunDirectory, made: Calibrating) -> None:
    child.status = "running"
    write_text(child.command, command_line() + "\n")
    _hand_on(parent, child)
    made.record(child)
    child.write_json("environment.json", environment())
    finished = made.finish(child)
    record_model(child, *made.network)
    # last: one that is killed before is no run that could be continued, on other rows than those it was asked to fit on
    write_text(child.config, dump(made.config.model_copy(update={"run": made.config.run.model_copy(update={"dir": ""})})))
    sign(child.path)
    child.update(status="finished", headline=finished.headline)
    for line in finished.lines:
        log.info(line)
    if made.config.evaluation.report:
        from trainwright.api.report import write_report

        log.info("report: %s", write_report(child.path))


def _hand_on(parent: RunDirectory, child: RunDirectory) -> None:
    """Say whose child it is; with a checkpoint that training can go on from, where the parent has one."""
    if CheckpointStore(parent.checkpoints).latest() is not None:
        Parent.of(parent).hand_on(child)
    else:
        name_parent(child, parent)

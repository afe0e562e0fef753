"""A child run with weights of its parent set to zero, trained on where that is asked for."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from trainwright.api.kinds import prepare_run, with_name
from trainwright.api.parent import Parent, require_finished
from trainwright.api.predictors.kinds import kind_of, open_place
from trainwright.api.ranks import join_for
from trainwright.api.run import Run
from trainwright.api.run_place import refuse_taken
from trainwright.api.training import Start, train_prepared
from trainwright.config.compose import Assignment, assign_option, override
from trainwright.config.durations import Duration
from trainwright.config.errors import ConfigError, RequestError
from trainwright.config.model import PartConfig
from trainwright.config.part_options import check_options
from trainwright.config.places import spell_key
from trainwright.config.registry import canonical_name, options_class, parts
from trainwright.config.trust import as_received, name_own
from trainwright.domains.place import find_place
from trainwright.engine.callbacks.options import PruningOptions
from trainwright.engine.callbacks.pruning import Pruning
from trainwright.engine.state import STATE
from trainwright.files.text import read_json
from trainwright.nn.pruning.sparsity import FILE
from trainwright.runs.directory import RunDirectory
from trainwright.systems.run_config import read_config

FINETUNE = "write for example finetune='5 epochs' or '500 steps'"
LENGTHS = ("trainer.max_epochs", "trainer.max_steps", "trainer.max_time")


def prune(
    path: str | os.PathLike[str],
    method: str = "global_l1",
    *,
    finetune: str = "",
    names: str | Sequence[str] = (),
    exclude: str | Sequence[str] = (),
    schedule: str = "one_shot",
    settings: Sequence[str | Assignment] = (),
    where: str = "tw.prune",
    **options: Any,
) -> Run:
    """A child of the finished run at `path` whose weights are pruned by `method`, and trained on for `finetune`; the parent stays as it is.

    `options` are those of the method (`amount=0.5`, `n=2`, `dim=0`) and of the callback `pruning` (`initial`, `start`, `end`, `every`).
    It begins with the weights of the run's model, and with its optimizer's state. Raises RunError for a run that is being written, has no
    model or no checkpoint, ConfigError for a method that does not fit.
    """
    place = find_place(path)
    if place.run is None:
        why = "it has no training rows, and no checkpoint to go on from"
        raise RequestError("an exported model cannot be pruned", where=str(path), why=why, fix="prune its run, then export that")
    own = {"names": list([names] if isinstance(names, str) else names), "exclude": list([exclude] if isinstance(exclude, str) else exclude)}
    asked = read_asked(method, {**own, "schedule": schedule, **options}, where)
    return _prune(_require_prunable(place.run), asked, _length(finetune, where), list(settings), where)


def read_asked(method: str, given: Mapping[str, Any], where: str) -> PruningOptions:
    """The callback with its method; raises RequestError, ConfigError or ManyErrors with every option that is refused."""
    name_own([method])
    kind = options_class("pruning_method", method)
    of_callback = [name for name in PruningOptions.model_fields if name not in ("type", "method")]
    spell = _as_flag if where == "command line" else str
    mine = {name: value for name, value in given.items() if name not in of_callback}
    _refuse_of_others(method, [name for name in mine if name not in kind.model_fields], spell, where)
    made = check_options(kind, canonical_name("pruning_method", method), mine, where=where, spell=spell)
    theirs = {name: value for name, value in given.items() if name in of_callback}
    found: PartConfig = check_options(PruningOptions, "pruning", {**theirs, "method": made}, where=where, spell=spell)
    if not isinstance(found, PruningOptions):  # what was asked for
        raise TypeError(type(found).__name__)
    return found


def _refuse_of_others(method: str, strange: Sequence[str], spell: Callable[[str], str], where: str) -> None:
    """Raise RequestError for an option that other methods have."""
    for name in strange:
        owners = [each for each, part in parts("pruning_method").items() if name in part.config.model_fields]
        if owners:
            why, fix = f"it is an option of {' and '.join(owners)}", f"{spell('type')} {owners[0]}, or leave it out"
            raise RequestError(f"'{spell(name)}' is no option of {method}", where=where, why=why, fix=fix)


def _as_flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _length(finetune: str, where: str) -> Duration | None:
    """How long is trained on; None for not at all. Raises ConfigError for what is no number of steps or epochs."""
    if not finetune or finetune == "0":
        return None
    shown = "command line: --finetune" if where == "command line" else f"{where}(finetune)"
    try:
        found = Duration.parse(finetune)
    except ConfigError as error:
        raise ConfigError(error.what, where=shown, why=error.why, fix=error.fix) from error
    if found.kind == "time":
        raise ConfigError(f"'{found}' is a time; steps or epochs are needed here", where=shown, fix=FINETUNE)
    return found if found.value else None


def _require_prunable(found: RunDirectory) -> RunDirectory:
    """The run; raises RequestError for one of tw.fit, RunError where it is written or has no model yet."""
    require_finished(found)
    if kind_of(find_place(found)).form == "fit run":
        why = "its model and its rows are objects of a program"
        fix = "prune there: tw.fit(model, data, callbacks=[{'type': 'pruning', …}])"
        raise RequestError("a run of tw.fit cannot be pruned from outside", where=str(found.path), why=why, fix=fix)
    return found


@as_received
def _prune(found: RunDirectory, asked: PruningOptions, length: Duration | None, settings: list[str | Assignment], where: str) -> Run:
    if asked.schedule == "cubic" and length is None:
        why = "its weights are pruned one after the other while training makes up for it"
        raise RequestError("a cubic schedule needs training", where=where, why=why, fix=FINETUNE)
    _refuse_lengths(settings, where)
    parent = Parent.with_model(found)
    _refuse_pruned(found, asked, where)
    return _child(found, parent, [*settings, *_settings(found, parent, [asked.model_dump(mode="json")], length, where)], asked)


def _child(found: RunDirectory, parent: Parent, settings: list[str | Assignment], asked: PruningOptions | None = None) -> Run:
    """The child of a run under its own settings, trained for as long as they say; what is asked for is tried before it begins."""
    config = with_name(read_config(found.config, settings))
    named = config.run.model_copy(update={"name": config.run.name or found.name})
    config = config.model_copy(update={"run": named})
    refuse_taken(config, again="")
    prepared = prepare_run(config, world=join_for(config))
    if asked is not None:
        Pruning(asked).rehearse(prepared.system)
    run, _ = train_prepared(prepared, Start(parent=parent))
    return Run(RunDirectory.open(run.path))


def shrink(path: str | os.PathLike[str], *, finetune: str = "", settings: Sequence[str | Assignment] = (), where: str = "tw.shrink") -> Run:
    """A child of a pruned run whose layers are smaller by the units that change nothing: the same answers to 1e-6, of smaller matrices.

    Those are rows of zeros, whose constant goes into the next bias, and units that nothing reads. Raises RequestError for a model whose
    sizes are not in its configuration (`trainwright export --shrink` needs none), and one without such units.
    """
    place = find_place(path)
    if place.run is None:
        why = "it has no configuration of training"
        raise RequestError("an exported model cannot be made smaller", where=str(path), why=why, fix="shrink its run, then export that")
    return _shrink(_require_prunable(place.run), _length(finetune, where), list(settings), where)


@as_received
def _shrink(found: RunDirectory, length: Duration | None, settings: list[str | Assignment], where: str) -> Run:
    from trainwright.api.shrink import make_smaller  # traces, which imports much

    _refuse_lengths(settings, where)
    smaller = make_smaller(read_config(found.config), open_place(find_place(found)), where)
    parent = replace(Parent.of(found), weights=smaller.weights)
    return _child(found, parent, [*smaller.settings, *settings, *_settings(found, parent, [], length, where)])


def _refuse_lengths(settings: Sequence[str | Assignment], where: str) -> None:
    for each in settings:
        key = spell_key((override(each) if isinstance(each, str) else each).path)
        if key in LENGTHS:
            raise RequestError(f"{key} has no effect here", where=where, why="the child trains for as long as finetune says", fix=FINETUNE)


def _refuse_pruned(found: RunDirectory, asked: PruningOptions, where: str) -> None:
    """Raise RequestError where as much is pruned already: amounts are of all weights, those that are zero with them."""
    amount = getattr(asked.method, "amount", None)
    if not isinstance(amount, float) or not (found.path / FILE).is_file() or asked.names:
        return
    there = read_json(found.path / FILE).get("sparsity", 0.0)
    if asked.method.type in ("l1", "global_l1", "random", "global_random") and amount <= there:
        why = f"{100 * there:.4g} % of its weights are zero, and an amount counts them"
        fix = f"give more, for example {round(1 - (1 - there) / 2, 3):g}"
        raise RequestError(f"an amount of {amount:g} prunes nothing more of this run", where=where, why=why, fix=fix)


def _settings(found: RunDirectory, parent: Parent, pruning: list[Any], length: Duration | None, where: str) -> list[Assignment]:
    """The child's own settings: its pruning in place of an earlier one, and its length."""
    trainer = read_config(found.config).trainer
    others = [each.model_dump(mode="json") for each in trainer.callbacks if each.type != "pruning"]
    end = parent.step + _steps(read_json(parent.checkpoint / STATE), length)
    return [
        assign_option("trainer.callbacks", [*others, *pruning], where),
        assign_option("trainer.max_time", None, where),
        assign_option("trainer.max_steps", max(end, 1), where),
    ]


def _steps(state: Mapping[str, Any], length: Duration | None) -> int:
    """How many steps are trained on, by the lengths of the parent's run."""
    if length is None:
        return 0
    per_epoch, total = state["extent"]
    unit = {"epochs": per_epoch, "steps": 1, "run": total or state["step"]}[length.kind]
    return max(round(length.value * unit), 1)

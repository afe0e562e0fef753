"""A step tried on a few rows before a run begins: what a person's own system gets wrong is told before anything is written."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Mapping
from functools import partial
from inspect import signature
from typing import Any

import torch

from trainwright.config.errors import FOREIGN, ConfigError, DataError, RequestError, TrainwrightError
from trainwright.config.own_code import at_own_line, own_line
from trainwright.config.typecheck import readable
from trainwright.data.draws import keep_draws
from trainwright.data.transforms.batch_checks import seed_of
from trainwright.engine.adapted import as_system
from trainwright.engine.assembly import normalises_over_batch
from trainwright.engine.plan import Plan
from trainwright.engine.single_rows import is_of_single_row, single_row_refusal, sizes_without_single_rows
from trainwright.engine.step_result import as_loss
from trainwright.engine.system import NoStep, StepContext, rows_in, to_device
from trainwright.engine.unsaved import describe_unsaved
from trainwright.losses.activations import LossInputs
from trainwright.nn.compiled import run_plainly
from trainwright.nn.first_values import refuse_unfilled, refuse_unseen
from trainwright.nn.untouched import untouched
from trainwright.optim.sparse_gradients import SeenLookups
from trainwright.systems.base import System, seed_generators
from trainwright.systems.plain import PlainSystem
from trainwright.systems.plain_model import is_lazy
from trainwright.systems.updating import Tree

log = logging.getLogger("trainwright.fit")

INDICES = ("batch_idx", "batch_index", "batch_nb", "idx", "index")
"""Names of a second argument that is no context."""
MAKING = ("setup", "on_fit_start")
"""Hooks of a system that may make what its step uses, such as a guidance that is no part of the model."""


def first_trial(system: Any, splits: Mapping[str, Any], device: torch.device) -> list[str] | None:
    """As `trial`, before the run; None where the step fails and what it lacks may be made by a hook of the system (`MAKING`).

    Such a system is tried again once these hooks were called.
    """
    try:
        return trial(system, splits, device)
    except RequestError:
        made_later = isinstance(system, System) and any(system.hook_named(name) is not None for name in MAKING)
        if not made_later or system.automatic_optimization is False:
            raise
        return None


def trial(system: Any, splits: Mapping[str, Any], device: torch.device) -> list[str]:
    """Try `training_step` on a few training rows, and leave no trace of it; what may be meant, in sentences to be said before step 1.

    Raises ConfigError for weights that nothing fills, for a loss that is none, is not connected or is given what it does not take, and
    for whatever the step itself raises. A system that has a `check` of its own is checked by it; one that steps its optimizers by itself
    is not tried, nor are streams that can be read only once.
    """
    refuse_unfilled(system)
    with run_plainly():
        return _try_all(system, splits, device)


def _try_all(system: Any, splits: Mapping[str, Any], device: torch.device) -> list[str]:
    cautions = _check_trial(system, splits, device) if hasattr(system, "check") else _try_training(system, splits, device)
    if not ("train" in splits and splits["train"].single_pass):
        refuse_unseen(system)
    if "train" in splits:
        _refuse_single_rows(system, splits["train"], device)
    return list(dict.fromkeys(cautions))


def _check_trial(system: Any, splits: Mapping[str, Any], device: torch.device) -> list[str]:
    """What the system's own check says of each split, and what a forward pass in training changes."""
    cautions: list[str] = []
    for split, rows in splits.items():
        if split == "predict":  # rows to predict need no target
            continue
        if hasattr(system, "hold"):
            system.hold(rows)
        batch = example_of(system, rows, device, split == "train")
        with untouched(system), SeenLookups():
            cautions += system.check(batch)
            if split == "train" and isinstance(system, PlainSystem):
                system.train()
                cautions += _changing(system, partial(_forward, system, batch))
    return cautions


def _refuse_single_rows(system: Any, rows: Any, device: torch.device) -> None:
    """Raise DataError where a loader's batches are made of one row somewhere and a norm over the batch cannot take it."""
    number = None if rows.single_pass or not normalises_over_batch(system) else rows.find_single_row()
    if number is None or not getattr(system, "automatic_optimization", True):
        return
    where = f"batch {number + 1} of {len(rows)} of the training data"
    _try_single_row(system, to_device(rows.take(torch.tensor([number])), device), where, rows.without_single_row())


def refuse_single_pieces(system: Any, rows: Any, device: torch.device, plan: Plan) -> None:
    """The same where each piece of a step is to be one row."""
    if plan.micro_batch_size > 1 or plan.ready or rows.single_pass or not normalises_over_batch(system):
        return
    if getattr(system, "automatic_optimization", True):
        rows.begin_epoch(0, 0)
        batch = to_device(rows.take(torch.tensor([0])), device)
        _try_single_row(system, batch, "every piece of a step", sizes_without_single_rows(plan))


def _try_single_row(system: Any, batch: Any, where: str, fix: str) -> None:
    with untouched(system), seed_generators(0), torch.no_grad(), run_plainly():
        system.train()
        try:
            if isinstance(system, PlainSystem):
                system.output_of(batch)
            else:
                _run_step(system, batch)
        except (*FOREIGN, TrainwrightError) as error:
            if not is_of_single_row(error):  # what else is wrong with it is met at its step
                return
            raise single_row_refusal(system, where, fix) from error


def example_of(system: Any, rows: Any, device: torch.device, training: bool) -> Any:
    """A few rows as a step is given them."""
    batch, transforms = to_device(rows.example(), device), getattr(system, "batch_transforms", None)
    if transforms is None:
        return batch
    with keep_draws():
        return transforms.in_training(batch, seed_of(0)) if training else as_system(system).as_evaluated(batch)


def _forward(system: PlainSystem, batch: Any) -> None:
    """A forward pass as in training; what it raises is met, and told, at the first step."""
    with torch.no_grad(), contextlib.suppress(RuntimeError, ValueError):
        system.output_of(batch)


def _try_training(system: Any, splits: Mapping[str, Any], device: torch.device) -> list[str]:
    """A training step, twice, so that what changes from one to the next is seen."""
    rows = splits["train"]
    _refuse_unmeasured(system, splits)
    if not getattr(system, "automatic_optimization", True) or rows.single_pass:
        return []
    batch = example_of(system, rows, device, training=True)
    if is_lazy(system):
        _settle_shapes(system, batch)
    inputs, where = LossInputs(), f"{type(system).__name__}.training_step"
    with untouched(system):
        system.train()
        with seed_generators(0), inputs, SeenLookups():
            goes_on = _try_step(system, batch)
        inputs.refuse_certain(where)
        changes = _changing(system, partial(_run_step, system, batch)) if goes_on else []
    return inputs.list_doubts(where) + changes


def _changing(system: Any, step: Callable[[], Any]) -> list[str]:
    """What is to be said of state that one more step changes and no checkpoint holds."""
    with untouched(system) as held, seed_generators(0):
        step()
        found = held.list_changed()
    words = describe_unsaved(system, found)
    return [words] if words else []


def _refuse_unmeasured(system: Any, splits: Mapping[str, Any]) -> None:
    """Raise ConfigError for an evaluation of a system that steps by itself and says nothing of how it is measured."""
    if not isinstance(system, System) or system.automatic_optimization:
        return
    for split in ("validation", "test"):
        own = any(getattr(type(system), name) is not getattr(System, name) for name in (f"{split}_step", "evaluation_step"))
        if split in splits and not own:
            why = "with automatic_optimization = False its training_step cannot be tried on rows that are only measured"
            fix = f"write {split}_step(self, batch, context) in {type(system).__name__}, or give no {split} data"
            raise ConfigError(f"the {split} data cannot be measured", where=f"{split}_step", why=why, fix=fix)


def _settle_shapes(system: Any, batch: Any) -> None:
    """Let lazy layers see a batch, so that their parameters are there before they are counted and trained."""
    was = system.training
    system.eval()
    try:
        with seed_generators(0), torch.no_grad():
            _run_step(system, batch)
    finally:
        system.train(was)


def _run_step(system: Any, batch: Any) -> Any:
    context = StepContext(0, 0, 0.0, torch.default_generator)
    if isinstance(system, System):
        Tree(system).update_step(context)
        system.update_step(context)
    tried = as_system(system)
    with tried.rehearsing():
        value = tried.training_step(batch, context)
    return as_loss(value, rows_in(batch), tried.loss_weights(context))


def _try_step(system: Any, batch: Any) -> bool:
    """Whether the step could be tried; raises what is wrong with it."""
    where = f"{type(system).__name__}.training_step"
    _check_signature(system, where)
    try:
        loss = _run_step(system, batch)
    except NoStep:
        return False  # it wants none of these rows: others will tell
    except RequestError:
        raise
    except TrainwrightError as error:
        if "in no run" in error.what:
            return False  # it asks for the run, which is not there yet: the first step will tell
        raise ConfigError(error.what, where=where, why=error.why, fix=error.fix) from error
    except FOREIGN as error:  # whatever a person's step raises is the answer
        raise DataError(
            "training_step fails on the first rows",
            where=f"{where}{own_line(error)}",
            why=readable(error),
            fix=f"a batch is {describe_batch(batch)}; the traceback: --traceback, or TRAINWRIGHT_TRACEBACK=1",
        ) from error
    if isinstance(loss.count, int) and loss.count < 1:
        raise ConfigError(f"the loss is over {loss.count} items", where=where, fix="give the number of rows or items as Loss.count")
    root = loss.total if loss.mean is None else loss.mean
    if not root.requires_grad:
        fix = "let training_step compute the loss from what the model gives, neither detached nor under no_grad"
        raise ConfigError("the loss does not depend on any trained parameter", where=where, why="it has no graph", fix=fix)
    return True


def _check_signature(system: Any, where: str) -> None:
    """Raise ConfigError for a `training_step` that does not take a batch and the context."""
    parameters = list(signature(system.training_step).parameters.values())
    places = [each for each in parameters if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)]
    several = any(each.kind is each.VAR_POSITIONAL for each in parameters)
    named = places[1].name if len(places) > 1 else ""
    required = [each for each in places if each.default is each.empty]
    if named in INDICES or (len(places) < 2 and not several) or len(required) > 2:
        what = f"training_step takes ({', '.join(each.name for each in parameters)})"
        why = "it is called with the batch and the context (step, epoch, progress, generator)"
        raise ConfigError(what, where=where, why=why, fix="write def training_step(self, batch, context)")


def call_own_code(what: str, call: Callable[[], Any], where: str) -> Any:
    """What `call` gives; whatever a person's own code raises in it is raised as ConfigError with its line."""
    try:
        return call()
    except (RequestError, TrainwrightError):
        raise
    except FOREIGN as error:  # a person's own code may raise anything
        fix = f"{at_own_line(error)}; the traceback: --traceback, or TRAINWRIGHT_TRACEBACK=1"
        raise ConfigError(what, where=f"{where}{own_line(error)}", why=readable(error), fix=fix) from error


def describe_batch(batch: Any) -> str:
    """A batch in words: names, shapes and types of its tensors."""
    if isinstance(batch, torch.Tensor):
        return f"{tuple(batch.shape)} {str(batch.dtype).removeprefix('torch.')}"
    if isinstance(batch, Mapping):
        return "{" + ", ".join(f"{name}: {describe_batch(each)}" for name, each in batch.items()) + "}"
    if isinstance(batch, list | tuple):
        return "(" + ", ".join(describe_batch(each) for each in batch) + ")"
    return f"a {type(batch).__name__}"

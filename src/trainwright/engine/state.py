"""What a checkpoint holds of a session, and how a session takes it back."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from trainwright.checkpoint.store import Checkpoint
from trainwright.config.errors import RunError
from trainwright.engine.config import TrainerConfig
from trainwright.engine.growth import begin_anew
from trainwright.engine.metric_modules import load_metric_states, metric_states
from trainwright.engine.plan import Plan
from trainwright.engine.saved_state import check_saved
from trainwright.engine.structure import say_rebuilt, structure_of
from trainwright.engine.system import System

if TYPE_CHECKING:
    from trainwright.engine.session import Session

SYSTEM, OPTIMIZER, AVERAGES = "system.safetensors", "optimizer.safetensors", "averages.safetensors"
EVALUATED, RUNNING, STATE = "evaluated.safetensors", "running.safetensors", "trainer.json"
FORMAT = 1
DATA = {
    "first_rows": "the training rows are others than they were",
    "first_rows_of_workers": "the training rows are others than they were",
    "order": "the loader gives its rows in another order than it did",
    "validation_rows": "the validation rows are others than they were",
    "validation_rows_of_workers": "the validation rows are others than they were",
}
"""Numbers of the data, and what is said of another one."""
GROWN = ("micro_batch_size", "batch_size", "first_tick", "first_epoch")
"""Numbers of the plan that a run may change while it goes on."""
SHAPING = ("parameters", "clip", "gradient_hooks", "ema", "swa", "precision", "batch_growth")
"""Sections of the trainer's settings of which every step depends."""
LOOKS_BACK = 500
"""Rows in which the latest value of a column is looked for."""
LENGTHS = ("max_epochs", "max_steps", "max_time")
"""Reasons to stop that a continued run looks at anew, since its length may have been changed."""

Weights = dict[str, Tensor]


def weights_of(system: System) -> Weights:
    """Parameters and buffers by name. Raises RunError for state that is no tensor, which a checkpoint cannot hold."""
    found = system.state_dict()
    other = [name for name, value in found.items() if not isinstance(value, Tensor)]
    if other:
        fix = "keep it in a buffer, or in a callback's state_dict"
        raise RunError(
            f"'{other[0]}' of the system's state is no tensor", why="checkpoints hold tensors and JSON, nothing pickled", fix=fix
        )
    return found


def evaluated_tensors(session: Session) -> Weights:
    """Parameter → what is evaluated and shipped in its place, under each of its names; empty where that is the parameter itself."""
    averages = session.averages
    if averages is not None and averages.evaluated is not None:
        prefix = f"{averages.evaluated}/"
        found = {name.removeprefix(prefix): tensor for name, tensor in averages.tensors().items() if name.startswith(prefix)}
    else:
        found = session.averaged() or {}
    by_parameter: dict[int, Tensor] = {}
    named = list(session.system.named_parameters(remove_duplicate=False))
    for name, parameter in named:
        if name in found:
            by_parameter[id(parameter)] = found[name]
    return {name: by_parameter[id(parameter)] for name, parameter in named if id(parameter) in by_parameter}


def evaluated_weights(session: Session) -> Weights:
    """Parameters and buffers by name, as they are evaluated and shipped."""
    return weights_of(session.system) | evaluated_tensors(session)


def average_tensors(session: Session) -> Weights:
    """The state of the averages, but for the one that EVALUATED holds."""
    averages = session.averages
    if averages is None:
        return {}
    return {name: tensor for name, tensor in averages.tensors().items() if not name.startswith(f"{averages.evaluated}/")}


def load_averages(session: Session, checkpoint: Checkpoint, numbers: Mapping[str, Any]) -> None:
    """Give the averages their state back. Raises RunError when it is another model's."""
    if session.averages is None:
        return
    evaluated = {f"{session.averages.evaluated}/{name}": tensor for name, tensor in checkpoint.tensors(EVALUATED).items()}
    own = session.averages.tensors()
    session.averages.load(checkpoint.tensors(AVERAGES) | {name: tensor for name, tensor in evaluated.items() if name in own}, numbers)


def running_tensors(session: Session) -> Weights:
    """Losses, logged values and training metrics since the last row and evaluation, as sums; what a system changes beside them."""
    found = {f"loss/{name}": tensor for name, tensor in session.running_loss.tensors().items()}
    found |= {f"hooks/{name}": norm for name, norm in session.gradient_hooks.logged().items()}
    found |= {f"values/{name}": tensor for name, tensor in session.running_values.tensors().items()}
    found |= {f"metrics/{name}": tensor for name, tensor in session.running_metrics.tensors().items()}
    found |= {f"modules/{name}": tensor for name, tensor in metric_states(session.system).items()}
    found |= {f"held/{name}": tensor for name, tensor in session.held_state.tensors().items()}
    return found if session.gradient_norm is None else found | {"gradient_norm": session.gradient_norm}


def identity(session: Session) -> dict[str, Any]:
    """What must be the same when a run continues: with any of it changed, the past would have been another."""
    return {
        "rows": session.plan.rows,
        "batch_size": session.batch_size,
        "seed": session.seed,
        "optimizer": session.config.optimizer.type,
        **session.data_numbers,
        **{name: changed(session.config, name) for name in SHAPING},
    }


def changed(config: TrainerConfig, name: str) -> Any:
    """A section as far as it differs from its default; nothing for one left alone, so that older checkpoints go on."""
    value = getattr(config, name)
    return None if value == type(config).model_fields[name].get_default() else TrainerConfig.model_dump(config, mode="json")[name]


def state_of(session: Session) -> dict[str, Any]:
    """trainer.json: everything of a session that is no tensor."""
    return {
        "format": FORMAT,
        "step": session.step,
        "tick": session.batches_seen,
        "left_out": sorted(session.skipped_batches),
        "skipped": session.skipped,
        "times_back": session.rollbacks,
        "went_back": list(session.last_rollback),
        "plan": {name: getattr(session.plan, name) for name in GROWN},
        "extent": [session.plan.extent.steps_per_epoch, session.plan.extent.steps],
        "identity": identity(session),
        "structure": structure_of(session.system),  # type: ignore[arg-type]
        "optimizer": session.optimizer.numbers(),
        "schedule": session.rates.state(),
        "averages": {} if session.averages is None else session.averages.numbers(),
        "growth": None if session.growth is None else session.growth.state(),
        "best": session.best.state(),
        "callbacks": session.hooks.states(),
        "boundary_pending": session.boundary_pending,
        "evaluated_at": session.evaluated_at,
        "last_row": list(session.last_row),
        "last_tick": session.last_tick,
        "scaler": None if session.precision.scaler is None else session.precision.scaler.state(),
        "recent_losses": {} if session.spikes is None else session.spikes.state(),
        "stopped_because": "" if session.stopped_because in LENGTHS else session.stopped_because,
        "seconds": session.timing.read(),
        "rows": rows_to_remember(session),
    }


def rows_to_remember(session: Session) -> list[dict[str, float]]:
    """The last two rows, those of the best evaluations, and the latest value of every column before: what decisions look back at."""
    before, last = session.history[:-2], session.history[-2:]
    known = {name: value for row in before[-LOOKS_BACK:] for name, value in row.items()}
    best = [row for row in before if row["step"] in session.best.steps]
    return [*([known] if known else []), *best, *last]


def restore(session: Session, checkpoint: Checkpoint) -> None:
    """Put the session where the checkpoint was. Raises RunError when it was made with other data, settings or another model, or when it
    does not hold what `state_of` writes: a digest says that its files are whole, not who wrote them.
    """
    check_saved(checkpoint.document(STATE), checkpoint, STATE)
    try:
        load(session, checkpoint)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError) as error:
        why = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        fix = "continue with the version and the callbacks it was written with, or from another checkpoint"
        what = "this checkpoint does not hold what the run needs to go on"
        raise RunError(what, where=str(checkpoint.folder / STATE), why=why, fix=fix) from error


def load(session: Session, checkpoint: Checkpoint) -> None:
    """Put the session where the checkpoint was. Raises RunError when it was made with other data, settings or another model."""
    state = checkpoint.document(STATE)
    if session.fork:
        fork(session, checkpoint, state)
        return
    check_identity(state["identity"], identity(session), checkpoint, "batches" if session.plan.ready else "rows")
    say_rebuilt(state.get("structure", {}), session.system)  # type: ignore[arg-type]
    session.saved_extent = state.get("extent")
    load_weights(session.system, checkpoint.tensors(SYSTEM), where=str(checkpoint.folder))
    session.optimizer.load(checkpoint.tensors(OPTIMIZER), state["optimizer"])
    session.rates.load(state["schedule"])
    load_averages(session, checkpoint, state.get("averages", {}))
    if session.growth is not None and state.get("growth"):
        session.growth.load(state["growth"])
        session.growth.apply(session.optimizer, session.base_learning_rate)
    session.best.load(state["best"])
    session.hooks.load_states(state["callbacks"])
    session.step, session.boundary_pending = state["step"], state["boundary_pending"]
    session.evaluated_at, session.stopped_because = state["evaluated_at"], state["stopped_because"]
    session.batches_seen, session.skipped_batches = state.get("tick", session.step), set(state.get("left_out", ()))
    session.skipped = state.get("skipped", 0)
    session.rollbacks, session.last_tick = state.get("times_back", 0), state.get("last_tick", state["last_row"][0])
    session.last_rollback = tuple(state.get("went_back", (-1, 0)))
    session.replan(continued(session.first_plan, state.get("plan", {})))
    if session.precision.scaler is not None and state.get("scaler"):
        session.precision.scaler.load(state["scaler"])
    if session.spikes is not None:
        session.spikes.load(state.get("recent_losses", {}))
    session.last_row = (state["last_row"][0], state["last_row"][1])
    session.history = session.history or state.get("rows", [])  # a tracker that keeps them gives them all
    session.timing.load(state["seconds"])
    session.rates.apply(max(session.step - 1, 0))
    running = checkpoint.tensors(RUNNING)
    session.gradient_norm = running.get("gradient_norm")
    session.running_loss.load({name[5:]: tensor for name, tensor in running.items() if name.startswith("loss/")})
    session.running_metrics.load({name[8:]: tensor for name, tensor in running.items() if name.startswith("metrics/")}, session.device)
    kept = {name[8:]: tensor for name, tensor in running.items() if name.startswith("modules/")}
    load_metric_states(session.system, kept, session.device)
    session.running_values.load({name[7:]: tensor for name, tensor in running.items() if name.startswith("values/")})
    session.held_state.load({name[5:]: tensor for name, tensor in running.items() if name.startswith("held/")})
    session.gradient_hooks.load({name[6:]: tensor for name, tensor in running.items() if name.startswith("hooks/")})
    for hook in session.hooks.on_load_checkpoint:
        hook(session, session.system, state)


def fork(session: Session, checkpoint: Checkpoint, state: Mapping[str, Any]) -> None:
    """Begin where another run was, with settings of its own: weights always, the optimizer's state and the place where they still fit.

    With other rows, another batch size (also where it had grown) or another seed the next epoch begins; what is best and what
    callbacks counted begins anew.
    """
    load_weights(session.system, checkpoint.tensors(SYSTEM), where=str(checkpoint.folder))
    saved, now = state["identity"], identity(session)
    if saved["optimizer"] == now["optimizer"]:
        session.optimizer.load(checkpoint.tensors(OPTIMIZER), state["optimizer"])
    batches_seen, plan = state.get("tick", state["step"]), state.get("plan", {})
    session.step, session.batches_seen = state["step"], batches_seen
    first = plan.get("first_tick", 0)
    if first or any(saved[name] != now[name] for name in ("rows", "batch_size", "seed")):
        over = plan.get("first_epoch", 0) + math.ceil((batches_seen - first) / state["extent"][0])
        session.replan(begin_anew(session.plan, session.plan.batch_size, batches_seen, over))
    session.last_row, session.last_tick = (session.step, 0.0), batches_seen
    session.timing.load(state["seconds"])
    session.fork = False


def continued(plan: Plan, saved: Mapping[str, int]) -> Plan:
    """The plan of this configuration, where a run was that had changed its own: another batch from some epoch on, smaller pieces."""
    if saved.get("first_tick", 0) > 0:
        plan = begin_anew(plan, saved["batch_size"], saved["first_tick"], saved["first_epoch"])
    return replace(plan, micro_batch_size=min(plan.micro_batch_size, saved.get("micro_batch_size", plan.micro_batch_size)))


def check_identity(saved: Mapping[str, Any], now: Mapping[str, Any], checkpoint: Checkpoint, rows: str = "rows") -> None:
    """Raise RunError naming each setting that would have made the past another; `rows`: what the data give."""
    known = {name: value for name, value in now.items() if name not in DATA}
    wrong = [(name, value) for name, value in known.items() if saved.get(name) != value]
    changed = [f"{rows if name == 'rows' else name} was {saved.get(name)} and is {value} now" for name, value in wrong]
    # a number that is not there was not taken: by an older checkpoint, or since the data are not the same each time
    others = [name for name in DATA if name in saved and name in now and saved[name] != now[name]]
    changed += [f"{DATA[name]} ({name}: {saved[name]}, now {now[name]})" for name in others]
    if changed:
        fix = "continue with the settings it was started with, or begin a child run from here: trainwright resume RUN --fork"
        raise RunError("this run cannot be continued with these settings", where=str(checkpoint.folder), why="; ".join(changed), fix=fix)


def load_weights(system: System, weights: Mapping[str, Tensor], where: str) -> None:
    """Put weights into the system. Raises RunError naming what does not fit when they are another model's."""
    own = system.state_dict()
    wrong = [f"{name} is missing" for name in own if name not in weights] + [f"{name} is unknown" for name in weights if name not in own]
    for name in own.keys() & weights.keys():
        if own[name].shape != weights[name].shape:
            wrong.append(f"{name} has shape {tuple(weights[name].shape)} there and {tuple(own[name].shape)} here")
    if wrong:
        more = f" and {len(wrong) - 5} more" if len(wrong) > 5 else ""
        fix = "use the model the run was started with"
        raise RunError("these weights are another model's", where=where, why="; ".join(sorted(wrong)[:5]) + more, fix=fix)
    with torch.no_grad():
        system.load_state_dict(dict(weights))
    torch.clear_autocast_cache()  # within an autocast region the old weights would be used on

"""What a checkpoint holds of a session, and how a session takes it back."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

from trainwright.checkpoint.parts import TensorsOnDisk
from trainwright.checkpoint.store import Checkpoint
from trainwright.config.errors import RunError
from trainwright.engine.config import TrainerConfig
from trainwright.engine.growth import begin_anew
from trainwright.engine.metric_modules import load_metric_states, metric_states
from trainwright.engine.plan import Plan
from trainwright.engine.saved_state import check_saved
from trainwright.engine.structure import say_rebuilt, structure_of
from trainwright.engine.system import System
from trainwright.parallel.world import World

if TYPE_CHECKING:
    from trainwright.engine.parts import Parts
    from trainwright.engine.position import Position
    from trainwright.engine.session import Session
    from trainwright.optim.averages import Averages

SYSTEM, OPTIMIZER, AVERAGES = "system.safetensors", "optimizer.safetensors", "averages.safetensors"
STRATEGY = "strategy.safetensors"
EVALUATED, RUNNING, STATE = "evaluated.safetensors", "running.safetensors", "trainer.json"
FORMAT = 1
RANK = "rank-"
"""How names of state begin that one process alone has."""
DATA = {
    "first_rows": "the training rows are others than they were",
    "first_rows_of_workers": "the training rows are others than they were",
    "order": "the loader gives its rows in another order than it did",
    "validation_rows": "the validation rows are others than they were",
    "validation_rows_of_workers": "the validation rows are others than they were",
}
"""Numbers of the data, and what is said of another one."""
GROWN = ("micro_batch_size", "batch_size", "first_tick", "first_epoch", "ranks")
"""Numbers of the plan that a run may change while it goes on."""
SHAPING = ("parameters", "clip", "gradient_hooks", "ema", "swa", "precision", "batch_growth")
"""Sections of the trainer's settings of which every step depends."""
LOOKS_BACK = 500
"""Rows in which the latest value of a column is looked for."""
LENGTHS = ("max_epochs", "max_steps", "max_time")
"""Reasons to stop that a continued run looks at anew, since its length may have been changed."""

Weights = dict[str, Tensor]


class Saved(NamedTuple):
    """How a field of the position stands in trainer.json."""

    field: str
    write: Callable[[Any], Any] = lambda value: value
    read: Callable[[Any], Any] = lambda value: value
    otherwise: Callable[[Mapping[str, Any]], Any] | None = None
    """What it is in a checkpoint that does not have it, from the rest of the document; None where every checkpoint has it."""


POSITION = {
    "step": Saved("step"),
    "tick": Saved("batches_seen", otherwise=lambda state: state["step"]),
    "left_out": Saved("skipped_batches", sorted, set, lambda _: ()),
    "skipped": Saved("skipped", otherwise=lambda _: 0),
    "times_back": Saved("rollbacks", otherwise=lambda _: 0),
    "went_back": Saved("last_rollback", list, tuple, lambda _: (-1, 0)),
    "boundary_pending": Saved("boundary_pending"),
    "evaluated_at": Saved("evaluated_at"),
    "last_row": Saved("last_row", list, lambda row: (row[0], row[1])),
    "last_tick": Saved("batches_at_last_row", otherwise=lambda state: state["last_row"][0]),
    "stopped_because": Saved("stopped_because", lambda reason: "" if reason in LENGTHS else reason),
}
"""Name in trainer.json → field of the position: names of the file stay, so that every version reads what others wrote."""


def position_document(position: Position) -> dict[str, Any]:
    """The position as trainer.json has it."""
    return {name: saved.write(getattr(position, saved.field)) for name, saved in POSITION.items()}


def take_position(position: Position, state: Mapping[str, Any]) -> None:
    """Put the position where the document of a checkpoint says."""
    for name, saved in POSITION.items():
        found = saved.otherwise(state) if name not in state and saved.otherwise is not None else state[name]
        setattr(position, saved.field, saved.read(found))


def weights_of(system: System) -> Weights:
    """Parameters and buffers by name, of what is dealt out over processes the part that is here.

    Raises RunError for state that is no tensor, which a checkpoint cannot hold.
    """
    found = {name: local_part(value) if isinstance(value, Tensor) else value for name, value in system.state_dict().items()}
    other = [name for name, value in found.items() if not isinstance(value, Tensor)]
    if other:
        fix = "keep it in a buffer, or in a callback's state_dict"
        raise RunError(
            f"'{other[0]}' of the system's state is no tensor", why="checkpoints hold tensors and JSON, nothing pickled", fix=fix
        )
    return found


def local_part(tensor: Tensor) -> Tensor:
    """What this process holds of a tensor that is dealt out over several; a plain one is whole."""
    return getattr(tensor, "_local_tensor", tensor)


def parameter_of(file: str, name: str) -> str:
    """The parameter or buffer that a tensor of a checkpoint is, or is the state of; nothing where it belongs to none."""
    if file in (SYSTEM, EVALUATED):
        return name
    return name.partition("/")[2] if file in (OPTIMIZER, AVERAGES) else ""


def rank_prefix(world: World) -> str:
    """How names of state begin that is this process's alone."""
    return f"{RANK}{world.rank}-of-{world.size}/"


def load_strategy(parts: Parts, checkpoint: Checkpoint) -> None:
    """Give the strategy what this process remembered, where as many wrote it."""
    found = checkpoint.tensors(STRATEGY)
    prefix = rank_prefix(parts.world)
    parts.strategy.load({name.removeprefix(prefix): found[name] for name in found if name.startswith(prefix)})


def evaluated_tensors(parts: Parts) -> Weights:
    """Parameter → what is evaluated and shipped in its place, under each of its names; empty where that is the parameter itself."""
    averages = parts.averages
    if averages is not None and averages.evaluated is not None:
        found = below(averages.evaluated, averages.tensors())
    else:
        found = parts.averaged() or {}
    by_parameter: dict[int, Tensor] = {}
    named = list(parts.system.named_parameters(remove_duplicate=False))
    for name, parameter in named:
        if name in found:
            by_parameter[id(parameter)] = found[name]
    return {name: by_parameter[id(parameter)] for name, parameter in named if id(parameter) in by_parameter}


def evaluated_weights(session: Session) -> Weights:
    """Parameters and buffers by name, as they are evaluated and shipped."""
    return weights_of(session.parts.system) | evaluated_tensors(session.parts)


def average_tensors(averages: Averages | None) -> Weights:
    """The state of the averages, but for the one that EVALUATED holds."""
    if averages is None:
        return {}
    return {name: tensor for name, tensor in averages.tensors().items() if not name.startswith(f"{averages.evaluated}/")}


def load_averages(averages: Averages | None, checkpoint: Checkpoint, numbers: Mapping[str, Any]) -> None:
    """Give the averages their state back. Raises RunError when it is another model's."""
    if averages is None:
        return
    evaluated = {f"{averages.evaluated}/{name}": tensor for name, tensor in checkpoint.tensors(EVALUATED).items()}
    own = averages.tensors()
    averages.load({**checkpoint.tensors(AVERAGES), **{name: tensor for name, tensor in evaluated.items() if name in own}}, numbers)


def running_tensors(session: Session) -> Weights:
    """Losses, logged values and training metrics since the last row and evaluation, as sums; what a system changes beside them."""
    parts, logs = session.parts, session.logs
    found = {f"loss/{name}": tensor for name, tensor in logs.running_loss.tensors().items()}
    found |= {f"hooks/{name}": norm for name, norm in parts.gradient_hooks.collect_norms().items()}
    found |= {f"values/{name}": tensor for name, tensor in logs.running_values.tensors().items()}
    found |= {f"metrics/{name}": tensor for name, tensor in logs.running_metrics.tensors().items()}
    found |= {f"modules/{name}": tensor for name, tensor in metric_states(parts.system).items()}
    found |= {f"held/{name}": tensor for name, tensor in parts.held_state.tensors().items()}
    found |= {f"pruned/{name}": mask for name, mask in parts.pruned.tensors().items()}
    return found if logs.gradient_norm is None else found | {"gradient_norm": logs.gradient_norm}


def identity(session: Session) -> dict[str, Any]:
    """What must be the same when a run continues: with any of it changed, the past would have been another."""
    position, parts = session.position, session.parts
    return {
        "rows": position.plan.rows,
        "batch_size": parts.first_plan.batch_size,
        "seed": parts.seed,
        "optimizer": parts.config.optimizer.type,
        **position.data_numbers,
        **{name: changed_section(parts.config, name) for name in SHAPING},
    }


def changed_section(config: TrainerConfig, name: str) -> Any:
    """A section as far as it differs from its default; nothing for one left alone, so that older checkpoints go on."""
    value = getattr(config, name)
    return None if value == type(config).model_fields[name].get_default() else TrainerConfig.model_dump(config, mode="json")[name]


def state_of(session: Session, numbers: dict[str, Any]) -> dict[str, Any]:
    """trainer.json: everything of a session that is no tensor; `numbers` are the optimizer's, which all processes give together."""
    parts, plan, scaler = session.parts, session.position.plan, session.parts.precision.scaler
    return {
        "format": FORMAT,
        **position_document(session.position),
        "plan": {name: getattr(plan, name) for name in GROWN},
        "extent": [plan.extent.steps_per_epoch, plan.extent.steps],
        "identity": identity(session),
        "structure": structure_of(parts.system),
        "optimizer": numbers,
        "schedule": parts.rates.state(),
        "averages": {} if parts.averages is None else parts.averages.numbers(),
        "growth": None if parts.growth is None else parts.growth.state(),
        "best": parts.best.state(),
        "callbacks": parts.hooks.states(),
        "scaler": None if scaler is None else scaler.state(),
        "recent_losses": {} if parts.spikes is None else parts.spikes.state(),
        "seconds": session.clock.timing.read(),
        "rows": rows_to_remember(session.logs.history, parts.best.steps),
    }


def rows_to_remember(history: list[dict[str, float]], best_steps: list[int]) -> list[dict[str, float]]:
    """The last two rows, those of the best evaluations, and the latest value of every column before: what decisions look back at."""
    before, last = history[:-2], history[-2:]
    known = {name: value for row in before[-LOOKS_BACK:] for name, value in row.items()}
    best = [row for row in before if row["step"] in best_steps]
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
    if session.position.fork:
        fork(session, checkpoint, state)
        return
    position, parts = session.position, session.parts
    check_identity(state["identity"], identity(session), checkpoint, "batches" if position.plan.ready else "rows")
    say_rebuilt(state.get("structure", {}), parts.system)
    load_weights(parts.system, checkpoint.tensors(SYSTEM), where=str(checkpoint.folder))
    load_parts(parts, checkpoint, state)
    take_position(position, state)
    position.saved_extent = state.get("extent")
    session.replan(continue_plan(parts.first_plan, state.get("plan", {})))
    session.logs.history = session.logs.history or state.get("rows", [])  # a tracker that keeps them gives them all
    session.clock.timing.load(state["seconds"])
    parts.rates.apply(max(position.step - 1, 0))
    load_running(session, checkpoint.tensors(RUNNING))
    for hook in parts.hooks.on_load_checkpoint:
        hook(session, parts.system, state)


def load_parts(parts: Parts, checkpoint: Checkpoint, state: Mapping[str, Any]) -> None:
    """Give the parts that keep a state theirs back."""
    parts.optimizer.load(checkpoint.tensors(OPTIMIZER), state["optimizer"])
    load_strategy(parts, checkpoint)
    parts.rates.load(state["schedule"])
    load_averages(parts.averages, checkpoint, state.get("averages", {}))
    if parts.growth is not None and state.get("growth"):
        parts.growth.load(state["growth"])
        parts.growth.apply(parts.optimizer, parts.base_learning_rate)
    parts.best.load(state["best"])
    parts.hooks.load_states(state["callbacks"])
    if parts.precision.scaler is not None and state.get("scaler"):
        parts.precision.scaler.load(state["scaler"])
    if parts.spikes is not None:
        parts.spikes.load(state.get("recent_losses", {}))


def load_running(session: Session, tensors: Mapping[str, Tensor]) -> None:
    """Take back what `running_tensors` gave."""
    parts, logs = session.parts, session.logs
    logs.gradient_norm = tensors.get("gradient_norm")
    logs.running_loss.load(below("loss", tensors))
    logs.running_metrics.load(below("metrics", tensors), parts.device)
    load_metric_states(parts.system, below("modules", tensors), parts.device)
    logs.running_values.load(below("values", tensors))
    parts.held_state.load(below("held", tensors))
    parts.gradient_hooks.load(below("hooks", tensors))
    parts.pruned.load(below("pruned", tensors), parts.trained.named_parameters())


def below(prefix: str, tensors: Mapping[str, Tensor]) -> Weights:
    """Those whose name begins with `prefix/`, by the rest of it."""
    return {name[len(prefix) + 1 :]: tensor for name, tensor in tensors.items() if name.startswith(f"{prefix}/")}


def fork(session: Session, checkpoint: Checkpoint, state: Mapping[str, Any]) -> None:
    """Begin where another run was, with settings of its own: weights always, the optimizer's state and the place where they still fit.

    What is pruned stays so.
    With other rows, another batch size (also where it had grown) or another seed the next epoch begins; what is best and what
    callbacks counted begins anew.
    """
    position, parts = session.position, session.parts
    load_weights(parts.system, checkpoint.tensors(SYSTEM), where=str(checkpoint.folder))
    saved, now = state["identity"], identity(session)
    if saved["optimizer"] == now["optimizer"]:
        parts.optimizer.load(checkpoint.tensors(OPTIMIZER), state["optimizer"])
    parts.pruned.load(below("pruned", checkpoint.tensors(RUNNING)), parts.trained.named_parameters())
    if parts.averages is not None:
        parts.averages.begin_anew()
    batches_seen, plan = state.get("tick", state["step"]), state.get("plan", {})
    position.step, position.batches_seen = state["step"], batches_seen
    first = plan.get("first_tick", 0)
    if first or any(saved[name] != now[name] for name in ("rows", "batch_size", "seed")):
        over = plan.get("first_epoch", 0) + math.ceil((batches_seen - first) / state["extent"][0])
        session.replan(begin_anew(position.plan, position.plan.batch_size, batches_seen, over))
    position.last_row, position.batches_at_last_row = (position.step, 0.0), batches_seen
    session.clock.timing.load(state["seconds"])
    position.fork = False


def continue_plan(plan: Plan, saved: Mapping[str, int]) -> Plan:
    """The plan of this configuration, where a run was that had changed its own: another batch from some epoch on, smaller pieces."""
    if saved.get("first_tick", 0) > 0:
        plan = begin_anew(plan, saved["batch_size"], saved["first_tick"], saved["first_epoch"])
    if saved.get("ranks", 1) != plan.ranks:
        return plan  # what fitted in memory was a part of a step that was shared out otherwise
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
    """Put weights into the system; of what is dealt out over processes, the parts that are here.

    Raises RunError naming what does not fit when they are another model's.
    """
    own = weights_of(system)
    wrong = [f"{name} is missing" for name in own if name not in weights] + [f"{name} is unknown" for name in weights if name not in own]
    for name in own.keys() & weights.keys():
        shape = weights.shape(name) if isinstance(weights, TensorsOnDisk) else tuple(weights[name].shape)
        if own[name].shape != shape:
            wrong.append(f"{name} has shape {shape} there and {tuple(own[name].shape)} here")
    if wrong:
        more = f" and {len(wrong) - 5} more" if len(wrong) > 5 else ""
        fix = "use the model the run was started with"
        raise RunError("these weights are another model's", where=where, why="; ".join(sorted(wrong)[:5]) + more, fix=fix)
    with torch.no_grad():
        if any(local_part(value) is not value for value in system.state_dict().values()):
            for name, tensor in own.items():
                tensor.copy_(weights[name])
        else:
            system.load_state_dict(dict(weights))
    torch.clear_autocast_cache()  # within an autocast region the old weights would be used on

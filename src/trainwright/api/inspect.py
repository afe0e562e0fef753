"""A model looked at: layers, shapes, sizes, cost and the flow of data, of a module, a system, a configuration or a run."""

from __future__ import annotations

import copy
import inspect as signatures
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from trainwright.adapters.lightning.methods import overrides
from trainwright.adapters.lightning.system import LightningSystem
from trainwright.api.adapting import check_model, plain_module
from trainwright.config.errors import RequestError
from trainwright.engine.adapted import as_system
from trainwright.engine.system import StepContext, to_device
from trainwright.files.inspection.record import Inspection
from trainwright.report.network.folding import fold
from trainwright.runs.directory import RunDirectory
from trainwright.systems.base import System, seed_generators
from trainwright.systems.plain import PlainSystem
from trainwright.systems.updating import Tree
from trainwright.tools.graph.dry import examples
from trainwright.tools.graph.model import Graph
from trainwright.tools.inspection.look import look_at
from trainwright.tools.inspection.places import lazy_names
from trainwright.tools.inspection.shapes import named_tensors

log = logging.getLogger("trainwright.fit")
FILE = "model.json"
"""Where a run keeps what its model looks like."""
Given = Mapping[str, Tensor] | Sequence[Tensor]


def inspect(model: nn.Module, example: Any = None, *, named: Mapping[str, Any] | None = None) -> Inspection:
    """The layers of a model with shapes, parameters, multiply-adds and memory, found by running it once on an example.

    A tuple is what the model is called with, one after another; a mapping is given by name where its keys are parameters of `forward`;
    anything else is the one argument. `named` are more arguments by name. Without an example, shapes are those that a graph states,
    or none. The model, its buffers, modes, hooks and gradients, and random numbers are left as they were; a lazy model is copied first
    and stays lazy. Raises ConfigError, naming module and shapes, where the forward fails.
    """
    check_model(model)
    lazy = lazy_names(model)
    if lazy:
        model = copy.deepcopy(model)
    if isinstance(model, System) and example is not None and type(model).forward is nn.Module.forward:
        return inspect_step(model, example)
    if example is None and named is None:
        example = own_example(model)
    if example is None and named is None:
        return look_at(model, lazy=lazy)
    positional, by_name = _arguments(model, example, dict(named or {}))

    def call(used: nn.Module) -> Any:
        return used(*positional, **by_name)

    return look_at(model, call, _names(model, positional, by_name), lazy=lazy)


def own_example(model: nn.Module, rows: int = 1) -> Any:
    """The example a model itself states: `rows` of a graph's shapes, Lightning's `example_input_array`, a Hugging Face model's inputs."""
    if isinstance(model, Graph):
        given = examples(model._plan, model)
        return None if given is None else tuple(map(_rows_of(rows), model._plan.inputs, given))
    array = getattr(model, "example_input_array", None)
    if array is not None:
        return array
    dummy = getattr(model, "dummy_inputs", None)
    return dict(dummy) if isinstance(dummy, Mapping) else None


def _rows_of(rows: int) -> Callable[[Any, Tensor], Tensor]:
    def resize(stated: Any, example: Tensor) -> Tensor:
        if stated.batch is None:
            return example
        shape = list(example.shape)
        shape[stated.batch] = rows
        return example.new_zeros(shape)

    return resize


def _arguments(model: nn.Module, example: Any, named: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    if isinstance(example, tuple) and not hasattr(example, "_fields"):
        return example, named
    if example is None:
        return (), named
    if isinstance(example, Mapping):
        known = signatures.signature(model.forward).parameters.values()
        takes = {each.name for each in known if each.kind in (each.POSITIONAL_OR_KEYWORD, each.KEYWORD_ONLY)}
        if example and (set(example) <= takes or any(each.kind is each.VAR_KEYWORD for each in known)):
            return (), {**example, **named}
    return (example,), named


def _names(model: nn.Module, positional: tuple[Any, ...], by_name: dict[str, Any]) -> list[tuple[str, Tensor]]:
    """The tensors of a call, by the names that `forward` has for them."""
    try:
        bound = signatures.signature(model.forward).bind_partial(*positional, **by_name)
    except (TypeError, ValueError):  # the call itself will tell what is wrong with it
        return []
    found: list[tuple[str, Tensor]] = []
    for name, value in bound.arguments.items():
        kind = bound.signature.parameters[name].kind
        flat = kind in (signatures.Parameter.VAR_POSITIONAL, signatures.Parameter.VAR_KEYWORD)
        for inner, tensor in named_tensors(value, name if not flat else "input"):
            found.append((f"{name}.{inner}" if flat and inner.isdigit() else inner, tensor))
    return found


def inspect_step(system: Any, batch: Any) -> Inspection:
    """The inspection of a system by what it does with a batch: it predicts, or, where it cannot, makes a step without going backwards.

    A system that steps its optimizers by itself and cannot predict is only looked at. Raises ConfigError where the step fails.
    """
    model = plain_module(system)
    device = next((each.device for each in model.parameters()), torch.device("cpu"))
    batch = as_system(system).as_evaluated(to_device(batch, device))
    step = _step(system, batch)
    with seed_generators(0):  # looking at a model leaves a person's own generators alone
        found = look_at(model, step, list(named_tensors(batch)), only_used=True)
    if step is None:
        why = "it has neither predict_step nor forward" if isinstance(system, LightningSystem) else "it steps its optimizers by itself"
        found.notes = [f"it was not run: {why}, so it cannot predict"]
    return found


def _step(system: Any, batch: Any) -> Callable[[nn.Module], Any] | None:
    if isinstance(system, PlainSystem):
        return lambda _: system.output_of(batch)
    if isinstance(system, LightningSystem):
        return _lightning_step(system, batch)
    if not isinstance(system, System) or type(system).predict_step is not System.predict_step:
        return lambda _: system.predict_step(batch)
    if not system.automatic_optimization:
        return None
    return lambda _: _training_step(system, batch)


def _lightning_step(system: LightningSystem, batch: Any) -> Callable[[nn.Module], Any] | None:
    """Its own predict_step; Lightning's calls forward with all of a batch, where a forward takes the first of (x, y)."""
    module = system.model
    if overrides(module, "predict_step"):
        return lambda _: system.predict_step(batch)
    if type(module).forward is nn.Module.forward or not overrides(module, "forward"):
        return None
    given = system.prepare_batch(batch)
    first = given[0] if isinstance(given, list | tuple) and not hasattr(given, "_fields") and given else given
    return lambda _: module(first)


def _training_step(system: System, batch: Any) -> Any:
    context = StepContext(0, 0, 0.0, torch.default_generator)
    if system._run is None:  # after a run its parts are where that came to
        Tree(system).update_step(context)
        system.update_step(context)
    with system.rehearsing(), torch.enable_grad():  # a loss may need gradients of its own; nothing goes backwards from it
        return system.training_step(batch, context)


def inspect_rows(system: Any, rows: Any, batch_size: int = 1) -> Inspection:
    """The inspection of a system on the first rows of its data; raises ConfigError for a size that ready batches cannot have."""
    if not rows.batched:
        rows.begin_epoch(0, 0)
        return inspect_step(system, rows.take(torch.arange(min(batch_size, len(rows)))))
    found = inspect_step(system, rows.example())
    found.notes.append("the data give whole batches: this is for the first of them")
    return found


def write_model(run: RunDirectory, inspection: Inspection) -> Path:
    """Write what the model of a run looks like into `model.json`; raises RunError when it cannot be written."""
    return run.write_json(FILE, replace(inspection, flow=fold(inspection.flow)).to_dict())


def record_model(run: RunDirectory, system: Any, rows: Any) -> None:
    """Write `model.json` of a run that is about to start, from one pass over one row; what goes wrong is logged and costs nothing else."""
    if rows.single_pass:
        return
    try:
        write_model(run, inspect_rows(system, rows))
    except RequestError as error:
        log.debug("the model was not looked at: %s", error)

"""A plain system tried on some rows before the run begins: does the model take them, and the loss what comes out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from trainwright.config.errors import FOREIGN, ConfigError, DataError, TrainwrightError
from trainwright.config.own_code import arose_in_own_code, at_own_line, describe_failure
from trainwright.data.sparse import is_sparse
from trainwright.engine.system import to_device
from trainwright.losses.activations import FIXES, LossInputs, find_activation
from trainwright.losses.base import Criterion
from trainwright.losses.checks import MEANT, dtype_name
from trainwright.losses.function import FunctionCriterion
from trainwright.losses.wiring import look_inside
from trainwright.systems.base import seed_generators
from trainwright.systems.plain_metrics import pair_of

if TYPE_CHECKING:
    from trainwright.data.rows import TensorRows
    from trainwright.systems.plain import PlainSystem

ROWS = 256
"""Rows whose outputs are looked at before step 1, where a loss takes outputs of some range alone."""
REACH = 0.9
"""Of 0 to 1, what a sigmoid's outputs span for inputs that are large."""
VALUES = 1 << 20
"""As many values are looked at for that, at most."""


def check(system: PlainSystem, batch: Any) -> None:
    """Try a forward pass and the loss on some rows; raises DataError that says what does not fit."""
    modes = [(module, module.training) for module in system.modules()]
    system.train(False)
    try:
        with torch.no_grad(), seed_generators(0):
            output = _try_rows(system, batch)
            _try_metrics(system, batch, output)
            rows, system.held_rows = system.held_rows, None
            if rows is not None:
                _look_wider(system, rows, output)
            _look_again(system, batch, output)
    finally:
        for module, mode in modes:
            module.training = mode


def _look_wider(system: PlainSystem, rows: TensorRows, output: Any) -> None:
    """All targets held, and for a loss that takes outputs of some range alone the outputs of more rows; raises DataError."""
    reading, loss = system.reading, system.criterion
    blocks = rows.blocks
    target = reading.plan_of(blocks).target_of(blocks)
    loss.check_held(output, target, blocks)
    if not loss.bounded:
        return
    values = [each for each in (output, *look_inside(output).values(), *blocks.values()) if isinstance(each, Tensor) and each.dim()]
    most = min(ROWS, len(rows), VALUES // max(max(each[:1].numel() for each in values), 1))
    if most < 1:
        return
    device = next((each.device for each in values), rows.device)
    batch = to_device(rows.take(torch.linspace(0, len(rows) - 1, most).long()), device)
    plan = reading.plan_of(batch)
    loss.check(plan.call(system.model, batch), plan.target_of(batch), batch)


def _look_again(system: PlainSystem, batch: Any, output: Any) -> None:
    """Doubt logits that stay within 0 to 1, and reach both ends, for inputs a thousand times as large: a sigmoid written by hand."""
    reading, loss = system.reading, system.criterion
    plan = reading.plan_of(batch)
    takes = plan.named or plan.positional or ()
    floats = [name for name in takes if isinstance(batch[name], Tensor) and batch[name].is_floating_point()]
    if not floats or not isinstance(output, Tensor) or not loss.options.check_values or find_activation(output)[0]:
        return
    expects = loss.read_expected(output, plan.target_of(batch)) if loss.simple else ""
    if not expects.endswith("logits") or not _within(output):
        return
    if any(isinstance(batch[name], Tensor) and is_sparse(batch[name]) for name in takes):
        return  # an adjacency matrix, say, has no rows that could be put below those of another
    changed: Any = dict(batch) if isinstance(batch, Mapping) else list(batch)
    for name in floats:
        changed[name] = torch.cat([batch[name] * scale for scale in (-1e3, 1e3)])
    for name in takes:
        if name not in floats and isinstance(batch[name], Tensor):
            changed[name] = torch.cat([batch[name]] * 2)
    values = plan.call(system.model, changed)
    if isinstance(values, Tensor) and _within(values) and float(values.max() - values.min()) > REACH:
        why = "the loss takes logits, and the model gives values from 0 to 1 whatever it is given: a sigmoid would be taken twice"
        loss.doubts.append(f"loss '{loss.name}': {why}; {FIXES[expects]}; {MEANT}")


def _within(values: Tensor) -> bool:
    return values.numel() > 0 and bool(((values >= 0) & (values <= 1)).all())


def _try_rows(system: PlainSystem, batch: Any) -> Any:
    """The output, when both the model and the loss take the rows."""
    reading, loss = system.reading, system.criterion
    plan = reading.plan_of(batch)
    reading.require_target(batch, plan)
    seen = shapes(batch)
    output = _with_graph(lambda: explained_output(system, batch))
    target = plan.target_of(batch)
    seen = f"{seen}; output {tuple(output.shape)}" if isinstance(output, Tensor) else seen
    what, fix = "the loss does not take this output and target", _loss_fix(loss)
    _try(what, seen, lambda: loss.check(output, target, batch), fix)
    if not loss.wants_targets:
        with LossInputs() as inputs:
            summed, _ = _try(what, seen, lambda: _with_graph(lambda: loss.total(output, target, batch)), fix)
        _check_graph(loss, output, summed)
        if isinstance(loss, FunctionCriterion):  # the others have looked, as far as they were asked to
            inputs.refuse_certain("loss")
            loss.doubts += inputs.list_doubts("loss")
    return output


def explained_output(system: PlainSystem, batch: Any) -> Any:
    """The model's output for a batch; raises DataError, or the error of a graph's node, that says what does not fit."""
    plan = system.reading.plan_of(batch)
    takes = plan.named or plan.positional or ()
    fix = _input_fix(system.model, [batch[name] for name in takes] if plan.positional is not None else [batch], plan.named)
    return _try("the model does not take these rows", shapes(batch), lambda: _call_model(system, batch, plan), fix)


def _try_metrics(system: PlainSystem, batch: Any, output: Any) -> None:
    """Show the rows to what was asked for; raises ConfigError or DataError for a metric that could not be computed of such outputs."""
    wishes, target = system.wishes, system.reading.plan_of(batch).target_of(batch)
    if not wishes or system.criterion.wants_targets:
        return
    found = system.measured_outputs(output, target, batch)
    if not found and not wishes.usual:
        given = shapes({"output": output, "target": target}) if isinstance(output, Tensor) else f"an output of type {type(output).__name__}"
        why = "metrics read one tensor of outputs and one of targets, with as many rows"
        fix = "let the model give a tensor, name the part that the loss reads (inputs: …), or leave the metrics out"
        raise ConfigError(f"{', '.join(wishes.names())} cannot be computed", where=f"{wishes.where}: {given}", why=why, fix=fix)
    if not found:
        return
    for name, metric in wishes.metric(pair_of, system.ignored_class, system.find_predicted).members:
        try:
            metric.update(found)
        except TrainwrightError:
            raise
        except FOREIGN as error:
            name = name or ", ".join(metric.names() or [type(metric).__name__])
            what = f"metric '{name}' does not take this output and target"
            fix = f"let it take an output and a target of these shapes, or leave '{name}' out of the metrics"
            raise ConfigError(what, where=f"{wishes.where}: {shapes(found)}", why=describe_failure(error), fix=fix) from error


def _call_model(system: PlainSystem, batch: Any, plan: Any) -> Any:
    """The model's output; a model from nodes that fails names the node, which is raised in place of torch's words."""
    try:
        return plan.call(system.model, batch)
    except TrainwrightError:
        raise
    except FOREIGN as error:
        explain = getattr(system.model, "find_failure", None)
        if explain is None or plan.positional is None:
            raise
        named = {name: batch[name] for name in plan.named or ()}
        found = explain([] if named else [batch[name] for name in plan.positional], named)
        if found is None:
            raise
        raise found from error


def _with_graph(call: Callable[[], Any]) -> Any:
    with torch.enable_grad():
        return call()


def _check_graph(loss: Criterion, output: Any, summed: Tensor) -> None:
    """Raises ConfigError for a loss that leaves the graph of the outputs."""
    given = [output, *look_inside(output).values()]
    if any(isinstance(each, Tensor) and each.requires_grad for each in given) and not summed.requires_grad:
        why = "what the model gives has a graph and the loss has none: nothing would be trained"
        fix = "return what torch computes: without .detach() or .item(), not under torch.no_grad()"
        raise ConfigError(f"the loss '{loss.name}' does not depend on any trained parameter", where="loss", why=why, fix=fix)


def shapes(batch: Any) -> str:
    """The parts of a batch with their shapes and types."""
    inside = look_inside(batch) if not isinstance(batch, Tensor) else {"batch": batch}
    found = [(str(name), each) for name, each in inside.items() if isinstance(each, Tensor)]
    return ", ".join(f"{name} {tuple(each.shape)} {dtype_name(each)}" for name, each in found) or type(batch).__name__


def _try(what: str, where: str, call: Callable[[], Any], fix: str) -> Any:
    try:
        return call()
    except TrainwrightError:
        raise
    except FOREIGN as error:  # a person's forward, loss and metrics may raise anything
        told = at_own_line(error) if arose_in_own_code(error) and not isinstance(error, RuntimeError | TypeError) else fix
        raise DataError(what, where=where, why=describe_failure(error), fix=told) from error


def _input_fix(model: nn.Module, inputs: list[Any], named: tuple[str, ...]) -> str:
    """What to change when the model refuses its inputs."""
    other = _other_dtype(model, inputs)
    if other:
        return other
    layer = next((each for each in model.modules() if isinstance(each, nn.Linear)), None)
    first = inputs[0] if len(inputs) == 1 and isinstance(inputs[0], Tensor) and inputs[0].dim() else None
    if first is not None and first.dtype == torch.uint8 and first.dim() >= 3:
        return "pictures in bytes are no floats: begin forward with x = x.float() / 255, or let the data give them so (its with_transform)"
    if first is not None and layer is not None:
        if first.is_floating_point() and first.shape[-1] != layer.in_features:
            return f"a row has {first.shape[-1]} values and the first nn.Linear takes {layer.in_features}: make both the same"
        if not first.is_floating_point() and not any(isinstance(each, nn.Embedding) for each in model.modules()):
            return "layers such as nn.Linear take floats: give the input as x.float()"
    if named:
        return f"model(…) must take {', '.join(named)} by these names, and nothing else that has no default"
    return f"model(…) must take {len(inputs)} tensor(s) of these shapes and types, one per input and without the target"


def _other_dtype(model: nn.Module, inputs: list[Any]) -> str:
    """What to change when the rows are floats of another type than the model's parameters; empty where they are not."""
    own = next((each for each in model.parameters() if each.is_floating_point()), None)
    given = next((each for each in inputs if isinstance(each, Tensor) and each.is_floating_point()), None)
    if own is None or given is None or own.dtype == given.dtype:
        return ""
    call = {torch.float64: "double", torch.float32: "float", torch.float16: "half", torch.bfloat16: "bfloat16"}
    names = dtype_name(own), dtype_name(given)
    fix = [f"model.{call[given.dtype]}()"] if given.dtype in call else []
    fix += [f"give the rows as x.{call[own.dtype]}()"] if own.dtype in call else []
    return f"the model computes in {names[0]} and the rows are {names[1]}: {', or '.join(fix)}"


def _loss_fix(loss: Criterion) -> str:
    """What to change when torch refuses the output and the target of a loss."""
    if not loss.kind:
        return "the loss is called as loss(output, target), with tensors of these shapes and types"
    return "give the target as floats (`y.float()`), in the shape of the model's output"

"""A plain system tried on some rows before the run begins: does the model take them, and the loss what comes out."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from trainwright.config.errors import DataError
from trainwright.nn.criteria.asymmetric import Asymmetric
from trainwright.nn.criteria.base import Criterion
from trainwright.nn.criteria.binary import BCEWithLogits
from trainwright.nn.criteria.checks import MEANT, dtype_name
from trainwright.nn.criteria.wiring import held
from trainwright.systems.base import seeded

if TYPE_CHECKING:
    from trainwright.systems.plain import PlainSystem


def check(system: PlainSystem, batch: Any) -> None:
    """Try a forward pass and the loss on some rows; raises DataError that says what does not fit."""
    modes = [(module, module.training) for module in system.modules()]
    system.train(False)
    try:
        with torch.no_grad(), seeded(0):
            _tried_once(system, batch)
    finally:
        for module, mode in modes:
            module.training = mode


def _tried_once(system: PlainSystem, batch: Any) -> None:
    reading, loss = system.reading, system.criterion
    plan = reading.plan_of(batch)
    reading.require_target(batch, plan)
    seen = shapes(batch)
    takes = plan.named or plan.positional or ()
    fix = _input_fix(system.model, [batch[name] for name in takes] if plan.positional is not None else [batch], plan.named)
    output = _tried("the model does not take these rows", seen, lambda: reading.call(system.model, batch, plan), fix)
    target = reading.target_of(batch, plan)
    seen = f"{seen}; output {tuple(output.shape)}" if isinstance(output, Tensor) else seen
    what, fix = "the loss does not take this output and target", _loss_fix(loss)
    _tried(what, seen, lambda: loss.check(output, target, batch), fix)
    if not loss.wants_targets:
        _tried(what, seen, lambda: loss.total(output, target, batch), fix)
    _check_last_layer(system.model, loss, output)


def shapes(batch: Any) -> str:
    """The parts of a batch with their shapes and types."""
    inside = held(batch) if not isinstance(batch, Tensor) else {"batch": batch}
    found = [(str(name), each) for name, each in inside.items() if isinstance(each, Tensor)]
    return ", ".join(f"{name} {tuple(each.shape)} {dtype_name(each)}" for name, each in found) or type(batch).__name__


def _tried(what: str, where: str, call: Callable[[], Any], fix: str) -> Any:
    try:
        return call()
    except (RuntimeError, ValueError, IndexError, TypeError, AttributeError, KeyError) as error:
        why = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(what, where=where, why=why, fix=fix) from error


def _input_fix(model: nn.Module, inputs: list[Any], named: tuple[str, ...]) -> str:
    """What to change when the model refuses its inputs."""
    layer = next((each for each in model.modules() if isinstance(each, nn.Linear)), None)
    first = inputs[0] if len(inputs) == 1 and isinstance(inputs[0], Tensor) and inputs[0].dim() else None
    if first is not None and layer is not None:
        if first.is_floating_point() and first.shape[-1] != layer.in_features:
            return f"a row has {first.shape[-1]} values and the first nn.Linear takes {layer.in_features}: make both the same"
        if not first.is_floating_point() and not any(isinstance(each, nn.Embedding) for each in model.modules()):
            return "layers such as nn.Linear take floats: give the input as x.float()"
    if named:
        return f"model(…) must take {', '.join(named)} by these names, and nothing else that has no default"
    return f"model(…) must take {len(inputs)} tensor(s) of these shapes and types, one per input and without the target"


def _loss_fix(loss: Criterion) -> str:
    """What to change when torch refuses the output and the target of a loss."""
    if not loss.kind:
        return "the loss is called as loss(output, target), with tensors of these shapes and types"
    return "give the target as floats (`y.float()`), in the shape of the model's output"


def _check_last_layer(model: nn.Module, loss: Criterion, output: Any) -> None:
    """Raises DataError for a model that ends in a sigmoid before a loss that takes logits."""
    last = list(model.modules())[-1]
    takes_logits = isinstance(loss, BCEWithLogits | Asymmetric) and loss.options.check_values
    if takes_logits and isinstance(last, nn.Sigmoid | nn.LogSigmoid) and isinstance(output, Tensor):
        fix = f"leave the sigmoid out of the model, or use bce; {MEANT}"
        why = "the loss takes logits and takes the sigmoid itself: it would be taken twice"
        raise DataError(f"the model ends in {type(last).__name__}, and the loss is {loss.name}", where="loss", why=why, fix=fix)

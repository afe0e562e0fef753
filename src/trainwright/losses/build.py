"""From what a person gives for a loss to a criterion: names, mappings, lists, functions, modules of torch and of one's own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from trainwright.config.errors import ConfigError
from trainwright.config.foreign import found_at
from trainwright.config.model import PartConfig
from trainwright.config.registry import load
from trainwright.config.scheduled import Scheduled
from trainwright.losses import PARTS, names
from trainwright.losses.base import Criterion
from trainwright.losses.choosing import EXAMPLE, Term, check_term_weights, loss_options
from trainwright.losses.function import FunctionCriterion, make_function
from trainwright.losses.heads import AdaptiveLogSoftmax, LinearCrossEntropy
from trainwright.losses.shared_options import FunctionOptions
from trainwright.losses.triplets import TripletMarginWithDistance
from trainwright.losses.weighted import WeightedSum

FUNCTIONS: dict[Callable[..., Any], str] = {getattr(functional, name): f"torch.nn.functional.{name}" for name in names.FUNCTIONS}
"""Function of torch.nn.functional that takes output and target → its path."""


def criterion(given: Any, where: str = "loss") -> Criterion:
    """The criterion for a name, a mapping of options, a list of them with weights, a function or a module; raises ConfigError."""
    if isinstance(given, Criterion):
        return given
    if isinstance(given, list | tuple):
        return _sum(given, where)
    if isinstance(given, str | Mapping | PartConfig):
        chosen = loss_options(given, where)
        return _sum(chosen, where) if isinstance(chosen, list) else _make(chosen)
    if isinstance(given, type):
        raise ConfigError(f"{given.__name__} is a class, not a loss", where=where, fix=f"give an instance: {given.__name__}(…)")
    if isinstance(given, nn.Module) and (known := of_torch(given)) is not None:
        return known
    if callable(given) and (path := next((path for function, path in FUNCTIONS.items() if function is given), "")):
        return _make(loss_options(path))
    if callable(given):
        named = getattr(given, "__name__", type(given).__name__)
        return FunctionCriterion(given, FunctionOptions(type=named))
    raise ConfigError(f"a {type(given).__name__} is no loss", where=where, fix=f"{EXAMPLE}; or give a function of (output, target)")


def _make(options: PartConfig) -> Criterion:
    if options.type in PARTS:
        made: Criterion = load("loss", options.type)(options)
        return made
    found = found_at(options.type)[0]
    if isinstance(options, FunctionOptions):
        function = make_function(found, options)
        return function if isinstance(function, Criterion) else FunctionCriterion(function, options)
    own = found(options)
    return own if isinstance(own, Criterion) else FunctionCriterion(own, FunctionOptions(type=options.type))


def _sum(given: list[Any] | tuple[Any, ...], where: str) -> WeightedSum:
    members: dict[str, Criterion] = {}
    weights: dict[str, Scheduled] = {}
    if not given:
        raise ConfigError("the list of losses is empty", where=where, fix=EXAMPLE)
    for each in given:
        written = isinstance(each, str | Mapping | PartConfig | Term)
        term = loss_options([each], where)[0] if written and not _holds_object(each) else None
        made = _make(term.loss) if term else criterion(each["type"] if isinstance(each, Mapping) else each, where)
        name = _free((term.name if term else _read_name(each)) or made.name, members)
        members[name] = made
        weights[name] = term.weight if term else Scheduled.parse(each.get("weight", 1.0) if isinstance(each, Mapping) else 1.0)
    try:
        check_term_weights([(members[name].name, weights[name]) for name in members])
    except ConfigError as error:
        raise ConfigError(error.what, where=where, why=error.why, fix=error.fix) from error
    return WeightedSum(members, weights)


def _holds_object(each: Any) -> bool:
    """Whether a mapping holds a function or a module rather than a name."""
    return isinstance(each, Mapping) and not isinstance(each.get("type"), str)


def _read_name(each: Any) -> str:
    return str(each.get("name", "")) if isinstance(each, Mapping) else ""


def _free(name: str, taken: Mapping[str, Any]) -> str:
    """The last part of a path, numbered where it is taken; modules take no dots."""
    short = name.rpartition(":")[2].rpartition(".")[2]
    return short if short not in taken else next(f"{short}_{k}" for k in range(2, len(taken) + 3) if f"{short}_{k}" not in taken)


def of_torch(loss: nn.Module) -> Criterion | None:
    """The criterion that means the same as an instance of one of torch's losses; None for other modules and for `reduction="none"`."""
    name = type(loss).__name__
    if name not in names.TORCH or getattr(nn, name, None) is not type(loss):
        return None
    if getattr(loss, "reduction", "mean") not in ("mean", "batchmean"):
        return None
    options: dict[str, Any] = {"type": names.TORCH[name]}
    fields = PARTS[names.TORCH[name]].config.model_fields
    for field in fields:
        attribute = "weight" if field == "class_weight" else field
        if hasattr(loss, attribute) and field not in ("type", "distance_function", "options"):
            options[field] = _plain(getattr(loss, attribute))
    if any(isinstance(value, Tensor) for value in options.values()):
        return None  # weights of more than one dimension
    if isinstance(loss, nn.TripletMarginWithDistanceLoss):
        return TripletMarginWithDistance(loss_options(options), loss.distance_function)
    if isinstance(loss, nn.AdaptiveLogSoftmaxWithLoss):
        options["cutoffs"] = options["cutoffs"][:-1]
        return AdaptiveLogSoftmax(loss_options({**options, "head_bias": loss.head.bias is not None}), loss)
    if name == "LinearCrossEntropyLoss":
        options |= {"in_features": loss.linear.in_features, "bias": loss.linear.bias is not None}  # type: ignore[union-attr]
        return LinearCrossEntropy(loss_options(options), loss)
    return _make(loss_options(options))


def _plain(value: Any) -> Any:
    """A value as a configuration has it; a tensor of more than one dimension stays one."""
    if isinstance(value, Tensor):
        return value.detach().to(torch.float64).reshape(-1).tolist() if value.dim() <= 1 else value
    return list(value) if isinstance(value, tuple) else value

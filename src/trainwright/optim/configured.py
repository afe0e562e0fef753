"""What `configure_optimizers` of a system returns, in any of the forms people write, as optimizers and schedulers with names."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from pydantic import ValidationError
from pydantic_core import PydanticCustomError
from torch import nn

from trainwright.config.choice import choose
from trainwright.config.errors import ConfigError, RequestError, did_you_mean
from trainwright.config.name_patterns import meant_by
from trainwright.config.own_code import at_own_line, describe_failure
from trainwright.optim.adapter import adapt_optimizer
from trainwright.optim.base import Optimizer
from trainwright.optim.build import build_optimizer
from trainwright.optim.own_schedulers import OwnScheduler, own_scheduler
from trainwright.optim.parameter_groups import one_group
from trainwright.optim.parametrized import parametrized_ids, refuse_decayed_signs
from trainwright.optim.several import Optimizers, find_decayed

WHERE = "configure_optimizers"
KEYS = ("optimizer", "lr_scheduler", "monitor", "frequency", "interval")
OF_SCHEDULER = ("monitor", "frequency", "interval")
"""What may stand beside `lr_scheduler` instead of inside it."""
FORMS = "an optimizer, a list of them, (optimizers, schedulers), {'optimizer': …, 'lr_scheduler': …}, or name → options with `parameters`"


def read_configured(result: Any, system: nn.Module) -> Optimizers:
    """The optimizers that a system made. Raises ConfigError for what is none, and for parameters that are not the system's."""
    optimizers, schedulers = _pairs(result)
    names = {id(parameter): name for name, parameter in system.named_parameters()}
    _refuse_strangers(schedulers, optimizers)
    made = {name: _member(name, each, system, names) for name, each in optimizers.items()}
    if not made:
        raise ConfigError("configure_optimizers made no optimizer", where=WHERE, fix=f"return {FORMS}")
    together = getattr(system, "automatic_optimization", True)
    if together:
        _refuse_shared(made)
    found = Optimizers(made, [own_scheduler(each, WHERE) for each in schedulers], together)
    refuse_decayed_signs(system, find_decayed(system, found), WHERE)
    return found


def _pairs(result: Any) -> tuple[dict[str, Any], list[Any]]:
    """Name → optimizer, and the schedulers, of any form."""
    if isinstance(result, torch.optim.Optimizer):
        return {"optimizer": result}, []
    if isinstance(result, Mapping) and "optimizer" not in result:
        return dict(result), []
    if not isinstance(result, Mapping | list | tuple):
        what = "configure_optimizers returned None" if result is None else f"configure_optimizers returned a {type(result).__name__}"
        raise ConfigError(what, where=WHERE, fix=f"return {FORMS}")
    optimizers, schedulers = split_optimizers(result, KEYS, FORMS)
    return _number_groups(optimizers), schedulers


def split_optimizers(result: Any, keys: Sequence[str], forms: str) -> tuple[list[Any], list[Any]]:
    """The optimizers and the schedulers, each with what is said beside it, of the forms that Lightning's users know.

    `keys`: those that may stand beside `optimizer`; `forms`: what to return, for a reader. Raises ConfigError for others.
    """
    if isinstance(result, Mapping):
        return _of_mappings([result], keys, forms)
    if len(result) == 2 and isinstance(result[0], list | tuple):
        optimizers, schedulers = result
        return list(optimizers), list(schedulers) if isinstance(schedulers, list | tuple) else [schedulers] * (schedulers is not None)
    if result and all(isinstance(each, Mapping) for each in result):
        return _of_mappings(result, keys, forms)
    return list(result), []


def _of_mappings(result: Sequence[Mapping[str, Any]], keys: Sequence[str], forms: str) -> tuple[list[Any], list[Any]]:
    for each in result:
        unknown = next((key for key in each if key not in keys), None)
        if unknown is not None:
            raise ConfigError(f"unknown key '{unknown}' beside `optimizer`", where=WHERE, fix=did_you_mean(str(unknown), keys))
        if "optimizer" not in each:
            raise ConfigError("a description has no `optimizer`", where=WHERE, fix=f"return {forms}")
    return [each["optimizer"] for each in result], [_with_beside(each) for each in result if each.get("lr_scheduler") is not None]


def _with_beside(each: Mapping[str, Any]) -> Any:
    """The scheduler, with what stands beside it and not inside it."""
    scheduler = each["lr_scheduler"]
    beside = {key: each[key] for key in OF_SCHEDULER if each.get(key) is not None}
    return {**beside, **(scheduler if isinstance(scheduler, Mapping) else {"scheduler": scheduler})} if beside else scheduler


def _number_groups(optimizers: Sequence[Any]) -> dict[str, Any]:
    return {"optimizer" if len(optimizers) == 1 else f"optimizer{place}": each for place, each in enumerate(optimizers)}


def _member(name: str, made: Any, system: nn.Module, names: Mapping[int, str]) -> Optimizer:
    if isinstance(made, Mapping):
        return _from_options(name, dict(made), system)
    found = adapt_optimizer(name, made, names)
    if found is None:
        raise ConfigError(f"'{name}' is a {type(made).__name__}, no optimizer", where=WHERE, fix=f"return {FORMS}")
    return found


def _from_options(name: str, options: dict[str, Any], system: nn.Module) -> Optimizer:
    """One of our optimizers for the parameters that patterns name."""
    options = {name: list(value) if isinstance(value, tuple) else value for name, value in options.items()}  # as a file would have it
    patterns = options.pop("parameters", "*")
    patterns = [patterns] if isinstance(patterns, str) else list(patterns)
    known = [each for each, _ in system.named_parameters()]
    meant = [meant_by(pattern, known) for pattern in patterns]
    chosen = [(each, parameter) for each, parameter in system.named_parameters() if any(means(each) for means in meant)]
    if not chosen:
        tops = dict.fromkeys(each.partition(".")[0] for each in known)
        raise ConfigError(
            f"'{name}' has no parameters: nothing fits {', '.join(patterns)}", where=WHERE, fix=did_you_mean(patterns[0], tops)
        )
    try:
        read = choose("optimizer", {"type": "adamw", **options})
    except (PydanticCustomError, ValidationError) as error:
        first = (
            error.errors()[0] if isinstance(error, ValidationError) else {"loc": (), "msg": (error.context or {}).get("what", str(error))}
        )
        where = ".".join([WHERE, name, *map(str, first["loc"])])
        raise ConfigError(
            f"the options of '{name}' are wrong: {first['msg']}", where=where, fix="see trainwright list optimizer"
        ) from error
    return build_optimizer(read, one_group(chosen, label=name, computing=parametrized_ids(system)))


def _refuse_strangers(schedulers: Sequence[Any], optimizers: Mapping[str, Any]) -> None:
    """Raise ConfigError for a scheduler that moves the rates of an optimizer which is not among those that are stepped."""
    known = {id(each) for each in optimizers.values()}
    for each in schedulers:
        scheduler = each.get("scheduler") if isinstance(each, Mapping) else each.scheduler if isinstance(each, OwnScheduler) else each
        moved = getattr(scheduler, "optimizer", None)
        if moved is not None and id(moved) not in known:
            why, fix = "the optimizer it was made for was not returned", "make it for one of the optimizers that are returned"
            raise ConfigError(f"{type(scheduler).__name__} moves no rate of this run", where=WHERE, why=why, fix=fix)


def _refuse_shared(members: Mapping[str, Optimizer]) -> None:
    owner: dict[int, str] = {}
    for name, member in members.items():
        for group in member.parameter_groups:
            for label, parameter in zip(group.names, group.params, strict=True):
                if id(parameter) in owner and owner[id(parameter)] != name:
                    what = f"'{label}' is trained by '{owner[id(parameter)]}' and by '{name}'"
                    raise ConfigError(
                        what, where=WHERE, why="each would undo the other's step", fix="give each optimizer its own parameters"
                    )
                owner[id(parameter)] = name


def try_making(make: Callable[[], Any]) -> Any:
    """What `configure_optimizers` returns; raises ConfigError with what it raises."""
    try:
        return make()
    except RequestError:
        raise
    except (ValueError, TypeError, AttributeError, KeyError, IndexError, NotImplementedError) as error:
        frames = traceback.extract_tb(error.__traceback__)
        own = [each for each in frames[1:] if "site-packages" not in each.filename] or frames
        where = f"configure_optimizers ({own[-1].filename}:{own[-1].lineno})"
        empty = "empty parameter list" in str(error)
        what = "an optimizer has no parameters" if empty else "configure_optimizers fails"
        fix = "give it parameters of the system, with requires_grad=True" if empty else f"{at_own_line(error)}; the traceback: --traceback"
        raise ConfigError(what, where=where, why=describe_failure(error), fix=fix) from error

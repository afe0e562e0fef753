"""Optimizers and schedulers as threestudio's configurations name them: torch's classes, with arguments, by part of the system."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import nn

from trainwright.config.errors import ConfigError, did_you_mean

CONTAINERS = ("SequentialLR", "ChainedScheduler", "Sequential", "Chained")


def parse_optimizer(config: Mapping[str, Any], model: nn.Module) -> torch.optim.Optimizer:
    """The optimizer of `{name: Adam, args: {…}, params: {geometry: {lr: 0.01}}}`; raises ConfigError for what torch or the model lacks."""
    where = "system.optimizer"
    kind = _class_of(torch.optim, config, torch.optim.Optimizer, where)
    parts = dict(_flat(config.get("params") or {}))
    groups: Any = [{"params": parameters_of(model, name), "name": name, **own} for name, own in parts.items()]
    made: torch.optim.Optimizer = _make(kind, where, groups or model.parameters(), **config.get("args", {}))
    for name, own in parts.items():
        wrong = next((key for key in own if key not in made.defaults), None)
        if wrong is not None:  # torch itself keeps it, and does nothing with it
            fix = did_you_mean(wrong, made.defaults)
            raise ConfigError(f"{kind.__name__} has no '{wrong}'", where=f"{where}.params.{name}", fix=fix)
    return made


def _flat(params: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Part → its arguments; `geometry.encoding` in a file is a mapping within a mapping by now."""
    for name, own in params.items():
        path = f"{above}.{name}" if above else name
        if not isinstance(own, Mapping):
            raise ConfigError(f"{own!r} are no arguments", where=f"system.optimizer.params.{path}", fix="write {lr: 0.01}")
        here = {key: each for key, each in own.items() if not isinstance(each, Mapping)}
        if here or not own:
            yield path, here
        yield from _flat({key: each for key, each in own.items() if isinstance(each, Mapping)}, path)


def parse_scheduler(config: Mapping[str, Any], optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """The scheduler of `{name, args, interval}`, or of several in `schedulers`; raises ConfigError for what torch lacks."""
    where, interval, name = "system.scheduler", config.get("interval", "epoch"), str(config.get("name", ""))
    if interval not in ("epoch", "step"):
        raise ConfigError(f"'{interval}' is no interval", where=f"{where}.interval", fix="step, or epoch")
    if name in CONTAINERS:
        inside = [parse_scheduler(each, optimizer)["scheduler"] for each in config.get("schedulers", ())]
        if name.startswith("Chained"):
            return {"scheduler": _make(torch.optim.lr_scheduler.ChainedScheduler, where, inside), "interval": interval}
        milestones = config.get("milestones", [])
        return {"scheduler": _make(torch.optim.lr_scheduler.SequentialLR, where, optimizer, inside, milestones), "interval": interval}
    kind = _class_of(torch.optim.lr_scheduler, config, torch.optim.lr_scheduler.LRScheduler, where)
    return {"scheduler": _make(kind, where, optimizer, **config.get("args", {})), "interval": interval}


def parameters_of(model: nn.Module, name: str) -> list[nn.Parameter]:
    """The parameters of a part by its path (`geometry.encoding`), or one alone; raises ConfigError where there is none."""
    found: Any = model
    for each in name.split("."):
        found = getattr(found, each, None)
    parameters = [found] if isinstance(found, nn.Parameter) else list(found.parameters()) if isinstance(found, nn.Module) else []
    if not parameters:
        why = "the system has no such part" if found is None else "nothing in it is trained"
        parts = [path for path, each in model.named_modules() if path and next(each.parameters(), None) is not None]
        raise ConfigError(f"no parameters in '{name}'", where=f"system.optimizer.params.{name}", why=why, fix=did_you_mean(name, parts))
    return parameters


def _class_of(module: Any, config: Mapping[str, Any], base: type, where: str) -> Any:
    name = str(config.get("name", ""))
    found = getattr(module, name, None)
    if not (isinstance(found, type) and issubclass(found, base)):
        known = [each for each in dir(module) if isinstance(getattr(module, each), type) and issubclass(getattr(module, each), base)]
        known.remove(base.__name__)
        raise ConfigError(f"torch has no '{name}'", where=f"{where}.name", fix=did_you_mean(name, known))
    return found


def _make(kind: Any, where: str, *arguments: Any, **named: Any) -> Any:
    try:
        return kind(*arguments, **named)
    except (TypeError, ValueError) as error:
        fix = "name the arguments that torch documents for it"
        raise ConfigError(f"{kind.__name__} refuses its args", where=f"{where}.args", why=str(error), fix=fix) from error

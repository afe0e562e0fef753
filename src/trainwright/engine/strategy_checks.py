"""What a strategy cannot take, found before anything is placed: systems, optimizers, modes; each with what works instead."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import torch
from torch import nn

from trainwright.config.errors import ConfigError, ManyErrors
from trainwright.engine.config import TrainerConfig
from trainwright.engine.scaling import learning_rate_of
from trainwright.engine.system import System
from trainwright.optim.options import chain
from trainwright.parallel.strategies.grouping import find_groups
from trainwright.parallel.strategies.mesh import lay_out
from trainwright.parallel.strategies.plan import read_plan

if TYPE_CHECKING:
    from trainwright.optim.several import Optimizers

WHERE = "trainer.strategy"
WHOLE = {
    "adamw_8bit": "its blocks of 8 bits go over the values of whole parameters",
    "lbfgs": "its curvature is of all parameters as one vector",
    "torch.optim.LBFGS": "its curvature is of all parameters as one vector",
    "torch.optim.Adafactor": "it keeps the sums of whole rows and columns",
    "torch.optim.Muon": "its update is of whole matrices",
    "sparse_adam": "it takes sparse gradients alone",
    "torch.optim.SparseAdam": "it takes sparse gradients alone",
}
"""Optimizers that cannot work on parts of parameters → why."""
REDOING = {
    "sam": "its step goes through weights that no process has updated yet",
    "lbfgs": "its curvature is of all parameters as one vector",
}
"""Optimizers whose parameters cannot be dealt over processes → why."""
LOOKING = ("gradient_flow", "gradient_noise", "histograms")
"""Callbacks that read whole parameters or gradients."""
ON_PARTS = "adamw, sgd, adam, lion, muon, schedule_free_adamw or sam"


def refuse_combinations(
    config: TrainerConfig, system: System, own: Optimizers | None, device: torch.device, ranks: int
) -> list[ConfigError]:
    """An error for everything of a run that its strategy cannot take."""
    kind = config.strategy.type
    if kind in ("auto", "single") and not config.strategy.by_torch:
        return []
    found = list(_of_options(config, device))
    if ranks > 1:
        if kind in ("fsdp", "tp"):
            found += [*_on_parts(config, system, own), *_of_layers(config, system, ranks)]
            found += [*_refuse_measuring(config), *_looking_at_whole_ones(config)]
        if kind == "zero":
            found += _dealt(config, system, own)
        if config.strategy.by_torch:
            found += [*_through_torch(config, system), *_refuse_measuring(config)]
    return found


def _of_options(config: TrainerConfig, device: torch.device) -> Iterator[ConfigError]:
    if config.strategy.offload == "cpu" and device.type == "cpu":
        fix = "leave offload out: what a run on this machine holds is on its host already"
        yield ConfigError("offload: cpu needs an accelerator; this run has none", where=f"{WHERE}.offload", why="it is on the cpu", fix=fix)


def _on_parts(config: TrainerConfig, system: System, own: Optimizers | None) -> Iterator[ConfigError]:
    """Of strategies under which a process has a part of each parameter."""
    kind = config.strategy.type
    if not system.automatic_optimization:
        why = (
            "with automatic_optimization = False it goes backwards and steps several times, and gradients are whole after one backward pass"
        )
        yield ConfigError(f"strategy '{kind}' cannot take {system.shown_name}", where=WHERE, why=why, fix="use ddp")
        return
    for each, why in _whole_ones(config, own):
        yield ConfigError(
            f"{each} cannot work on parts of parameters, as '{kind}' deals them", where=WHERE, why=why, fix=_instead(kind, each)
        )
    sparse = next((name for name, module in system.named_modules() if getattr(module, "sparse", False)), None)
    if sparse is not None:
        why = "a part of a parameter has no sparse gradient"
        fix = "make the layer with sparse=False, or use ddp or zero"
        yield ConfigError(f"'{sparse}' has sparse gradients, which '{kind}' does not deal", where=WHERE, why=why, fix=fix)
    if kind == "fsdp" and config.modes.channels_last:
        why, fix = "parameters are cut between values that channels_last does not keep side by side", "use ddp or zero"
        yield ConfigError("channels_last cannot be combined with fsdp", where="trainer.modes.channels_last", why=why, fix=fix)


def _looking_at_whole_ones(config: TrainerConfig) -> Iterator[ConfigError]:
    """Callbacks that read parameters and gradients, of which a process has parts, and which work in that of rank 0 alone."""
    for place, each in enumerate(config.callbacks):
        if each.type in LOOKING:
            why = f"it looks at whole parameters and gradients, and under '{config.strategy.type}' a process has parts of them"
            fix = "leave it out, or use ddp or zero; gradient_hooks with a norm are of whole gradients"
            yield ConfigError(
                f"{each.type} cannot be combined with '{config.strategy.type}'", where=f"trainer.callbacks.{place}", why=why, fix=fix
            )


def _refuse_measuring(config: TrainerConfig) -> Iterator[ConfigError]:
    """What is measured before a run, on a model that is dealt anew for each trial."""
    asked = [name for name in ("batch_size", "micro_batch_size") if getattr(config, name) == "auto"]
    if asked or learning_rate_of(config.optimizer) == "auto":
        name = asked[0] if asked else "optimizer.learning_rate"
        why = "it is tried on a model as it is, which every process holds whole"
        fix = "measure it with ddp, or give a number"
        asked_for = "torch's reduction" if config.strategy.by_torch else f"strategy '{config.strategy.type}'"
        yield ConfigError(f"auto cannot be measured under {asked_for}", where=f"trainer.{name}", why=why, fix=fix)


def _whole_ones(config: TrainerConfig, own: Optimizers | None) -> list[tuple[str, str]]:
    if own is None:
        return [(each.type, WHOLE[each.type]) for each in chain(config.optimizer) if each.type in WHOLE]
    found = []
    for name, member in own.members.items():
        made = getattr(member, "optimizer", member)
        kind = f"torch.optim.{type(made).__name__}" if isinstance(made, torch.optim.Optimizer) else getattr(member, "combined_as", "")
        if kind in WHOLE or type(made).__name__ == "AdamW8bit":
            found.append((f"the optimizer '{name}' ({type(made).__name__})", WHOLE.get(kind, WHOLE["adamw_8bit"])))
    return found


def _instead(kind: str, optimizer: str) -> str:
    works = "ddp" if "lbfgs" in optimizer.lower() else "ddp or zero"
    return f"use strategy {works}, or an optimizer that works value by value: {ON_PARTS}"


def _of_layers(config: TrainerConfig, system: System, ranks: int) -> Iterator[ConfigError]:
    """Mistakes in patterns of names and in sizes, found on the whole system."""
    options = config.strategy
    try:
        mesh = lay_out(options.mesh, options.type, ranks, 0)
        if mesh.tp > 1 and not options.plan:
            fix = "give trainer.strategy.plan, for example {'*.up': colwise, '*.down': rowwise}; or use fsdp"
            yield ConfigError("tp splits the layers of a plan, and there is none", where=f"{WHERE}.plan", fix=fix)
        if options.plan and mesh.tp == 1:
            why = f"the mesh has no direction 'tp' over {ranks} processes"
            yield ConfigError("the plan splits no layer", where=f"{WHERE}.plan", why=why, fix="give mesh: {tp: 2}, or leave the plan out")
        read_plan(options.plan, system, mesh.tp)
        if options.type == "fsdp":
            find_groups(system, options.groups)
    except ConfigError as error:
        yield error
    except ManyErrors as several:
        yield from (each for each in several.errors if isinstance(each, ConfigError))


def _dealt(config: TrainerConfig, system: System, own: Optimizers | None) -> Iterator[ConfigError]:
    """Of the strategy under which each process updates parameters of its own."""
    if not system.automatic_optimization:
        why = "with automatic_optimization = False it steps its optimizers by itself"
        yield ConfigError(f"strategy 'zero' cannot take {system.shown_name}", where=WHERE, why=why, fix="use ddp")
        return
    kinds = [each.type for each in chain(config.optimizer)] if own is None else _redoing(own)
    for each in kinds:
        if each in REDOING or (own is not None and each):
            fix = "use strategy ddp, or fsdp" if each == "sam" else "use strategy ddp"
            why = REDOING.get(each, "it evaluates the gradient several times a step")
            yield ConfigError(f"{each} cannot be dealt over processes", where=WHERE, why=why, fix=fix)


def _redoing(own: Optimizers) -> list[str]:
    return [getattr(member, "combined_as", name) for name, member in own.members.items() if member.redoes]


def _through_torch(config: TrainerConfig, system: System) -> Iterator[ConfigError]:
    """Of torch's own reduction."""
    if not system.automatic_optimization:
        why = "torch's reduction acts in one backward pass a step, and this system makes its steps by itself"
        what = "a communication hook" if config.strategy.hook is not None else "reduction: torch"
        yield ConfigError(f"{what} cannot be used with {system.shown_name}", where=WHERE, why=why, fix="use ddp as it is")
    sparse = next((name for name, module in system.named_modules() if isinstance(module, nn.Embedding) and module.sparse), None)
    if sparse is not None and config.strategy.hook is not None:
        fix = "make the layer with sparse=False, or leave the hook out"
        yield ConfigError(f"'{sparse}' has sparse gradients, which go through no hook", where=f"{WHERE}.hook", fix=fix)

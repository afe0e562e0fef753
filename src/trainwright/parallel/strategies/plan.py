"""Tensor parallel by a plan: patterns of names, and how the layers that they name are split."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn

from trainwright.config.errors import ConfigError, ManyErrors, RequestError, did_you_mean
from trainwright.config.name_patterns import matcher, other_spelling
from trainwright.parallel.strategies.plan_options import LayerStyle, Style

WHERE = "trainer.strategy.plan"
SPLIT = (nn.Linear, nn.Embedding)
BETWEEN = (nn.Dropout, nn.AlphaDropout, nn.FeatureAlphaDropout)


@dataclass(frozen=True)
class Split:
    """One layer of a system and how it is split."""

    path: str
    layer: nn.Module
    style: Style
    input: str
    """`whole` or `split`."""
    output: str
    pattern: str
    """By which the plan names it."""


def read_plan(plan: Mapping[str, LayerStyle], system: nn.Module, size: int) -> list[Split]:
    """The layers that a plan names, for `size` processes; of two patterns that name one the later counts.

    Raises ConfigError, or ManyErrors, for a pattern that names no layer, a layer that cannot be split so and one that does not divide.
    """
    modules = {path: module for path, module in system.named_modules() if path}
    chosen: dict[str, LayerStyle] = {}
    named: dict[str, str] = {}
    errors: list[RequestError] = []
    for pattern, style in plan.items():
        found = find_named(pattern, modules)
        able = [path for path in found if style.style not in ("colwise", "rowwise") or isinstance(modules[path], SPLIT)]
        if not found:
            near = did_you_mean(pattern.strip("*."), modules)
            errors.append(ConfigError(f"no module is named '{pattern}'", where=f"{WHERE}.{pattern}", fix=near))
        elif not able:
            kind = type(modules[found[0]]).__name__
            fix = "name the linear layers and embeddings in it, or leave it out"
            errors.append(
                ConfigError(f"'{found[0]}' is a {kind}, which cannot be split {style.style}", where=f"{WHERE}.{pattern}", fix=fix)
            )
        chosen |= dict.fromkeys(able, style)
        named |= dict.fromkeys(able, pattern)
    layers = [_settle(path, named[path], chosen, modules) for path, each in chosen.items() if each.style != "replicate"]
    errors += [error for layer in layers for error in (_refuse_undivided(layer, size), _refuse_tied(layer, system)) if error is not None]
    if errors:
        raise errors[0] if len(errors) == 1 else ManyErrors(errors)
    return layers


def find_named(pattern: str, modules: Mapping[str, nn.Module]) -> list[str]:
    """The modules that a pattern means as a whole name, with the system's `model.` before it and without."""
    means = matcher(pattern)
    return [path for path in modules if means(path)] or [path for path in modules if means(other_spelling(path))]


def _settle(path: str, pattern: str, chosen: Mapping[str, LayerStyle], modules: Mapping[str, nn.Module]) -> Split:
    parent, asked = path.rpartition(".")[0], chosen[path]
    pair = find_pairs(parent, modules, chosen) if asked.style in ("colwise", "rowwise") else set()
    come = "split" if path in pair and asked.style == "rowwise" else "whole"
    leave = "split" if path in pair and asked.style == "colwise" else "whole"
    come, leave = come if asked.input == "auto" else asked.input, leave if asked.output == "auto" else asked.output
    return Split(path, modules[path], asked.style, come, leave, pattern)


def find_pairs(parent: str, modules: Mapping[str, nn.Module], chosen: Mapping[str, LayerStyle]) -> set[str]:
    """The layers of one module that hand split outputs on: colwise ones, then a rowwise one, and nothing between but what has no weights.

    What draws at random between them would draw the same for different outputs.
    """
    found: set[str] = set()
    before: list[str] = []
    if isinstance(modules.get(parent), nn.ModuleList | nn.ModuleDict):
        return found  # whose order says nothing of what is called when
    for path, module in modules.items():
        if path.rpartition(".")[0] != parent:
            continue
        style = chosen[path].style if path in chosen else ""
        if style == "colwise":
            before.append(path)
        elif style == "rowwise":
            found |= {*before, path} if before else set()
            before = []
        elif next(module.parameters(), None) is not None or (isinstance(module, BETWEEN) and module.p > 0):
            before = []
    return found


def _refuse_undivided(split: Split, size: int) -> ConfigError | None:
    for count, what in _list_divided(split):
        if count % size:
            lower, upper = count - count % size, count + size - count % size
            fix = f"use {f'{lower} or {upper}' if lower else upper}, or leave the layer out of the plan"
            what = f"layer '{split.path}' has {count} {what}, not divisible by tp {size}"
            return ConfigError(what, where=f"{WHERE}.{split.pattern}", why=f"{split.style} gives each process as many", fix=fix)
    return None


def _list_divided(split: Split) -> Iterator[tuple[int, str]]:
    layer = split.layer
    if isinstance(layer, nn.Linear):
        yield (layer.out_features, "outputs") if split.style == "colwise" else (layer.in_features, "inputs")
    elif isinstance(layer, nn.Embedding):
        yield (layer.embedding_dim, "values an entry") if split.style == "colwise" else (layer.num_embeddings, "entries")


def _refuse_tied(split: Split, system: nn.Module) -> ConfigError | None:
    """The error for a layer whose weights are another module's too: each would have its own from then on."""
    own = {id(each) for each in split.layer.parameters()}
    inside = {id(each) for each in split.layer.modules()}
    for path, module in system.named_modules():
        if id(module) not in inside and any(id(each) in own for each in module.parameters(recurse=False)):
            why = f"'{path}' has the same parameter"
            what, fix = f"layer '{split.path}' is tied to another one", "leave it out of the plan"
            return ConfigError(what, where=f"{WHERE}.{split.pattern}", why=why, fix=fix)
    return None


def torch_style(split: Split) -> Any:
    """What torch splits the layer by."""
    from torch.distributed.tensor import Replicate, Shard
    from torch.distributed.tensor.parallel import ColwiseParallel, RowwiseParallel

    if split.style == "colwise":
        return ColwiseParallel(
            input_layouts=Replicate() if split.input == "whole" else Shard(1),
            output_layouts=Replicate() if split.output == "whole" else Shard(-1),
        )
    if split.style == "rowwise":
        return RowwiseParallel(
            input_layouts=_rowwise_input(split),
            output_layouts=Replicate() if split.output == "whole" else Shard(1),
        )
    from trainwright.parallel.strategies.sequence import SequenceStyle

    return SequenceStyle(come_split=split.input == "split", leave_split=split.output == "split")


def _rowwise_input(split: Split) -> Any:
    from torch.distributed.tensor import Replicate, Shard

    whole = split.input == "whole" or isinstance(split.layer, nn.Embedding)  # indices of rows are whole on every process
    return Replicate() if whole else Shard(-1)

"""A child run of a pruned one whose layers are smaller by the units that change nothing, where its configuration says their sizes."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from torch import Tensor, nn

from trainwright.config.compose import Assignment, assign_option
from trainwright.config.errors import RequestError
from trainwright.deploy.shrinking.shrinking import Shrinkage, shrink
from trainwright.domains.predictor import Predictor
from trainwright.systems.run_config import Config

log = logging.getLogger(__name__)

HELD = ("network.", "system.")
"""How the names of a system's tensors begin in what is exported of it."""
OF_TABLES = re.compile(r"combiner\.layers\.linears\.(\d+)\.weight")
SIZED = {"Linear": 2, "Conv1d": 2, "Conv2d": 2, "Conv3d": 2, "BatchNorm1d": 1, "BatchNorm2d": 1, "BatchNorm3d": 1}
"""Layers of a graph whose first arguments are sizes, and how many."""
KEYWORDS = {"Linear": ("in_features", "out_features"), "BatchNorm": ("num_features",), "Conv": ("in_channels", "out_channels")}


class Smaller(NamedTuple):
    """What a smaller child begins with."""

    weights: dict[str, Tensor]
    """By the names of the system."""
    settings: list[Assignment]
    """What its configuration says of their sizes."""
    found: Shrinkage


def make_smaller(config: Config, predictor: Predictor, where: str) -> Smaller:
    """The weights of a run without units that change nothing, and its configuration for them.

    Raises RequestError for a model whose sizes no configuration says, that cannot be traced, or that has no such units.
    """
    rule = _rule_for(config, predictor)
    found = shrink(predictor.deliverable(), allowed=lambda name: rule.why(_own_name(name)))
    if not found.units:
        said = "; ".join(f"{name}: {why}" for name, why in found.left.items()) or "no row of a layer is all zero"
        fix = "prune rows first: --type ln_structured --dim 0 --amount 0.5; trainwright export RUN --to onnx --shrink needs no sizes"
        raise RequestError("there is nothing to take out", where=where, why=said, fix=fix)
    for name, (before, after) in found.units.items():
        log.info("%s: %d of %d units stay", _own_name(name), after, before)
    for name, why in found.left.items():
        log.info("%s stays as it is: %s", _own_name(name), why)
    own = {_own_name(name): each.detach() for name, each in found.module.state_dict().items() if name.startswith(HELD)}
    return Smaller(own, rule.settings(own), found)


def _own_name(name: str) -> str:
    """The name that the system has for a tensor of what is exported."""
    return name.partition(".")[2] if name.startswith(HELD) else name


class Rule(NamedTuple):
    """How sizes stand in a configuration."""

    why: Callable[[str], str]
    """Why a layer, by the name of its weight, has no size there; empty where it has."""
    settings: Callable[[Mapping[str, Tensor]], list[Assignment]]


def _rule_for(config: Config, predictor: Predictor) -> Rule:
    model: Any = getattr(config.system, "model", None)
    combiner = getattr(model, "combiner", None)
    if combiner is not None and combiner.type in ("mlp", "concat"):
        return Rule(_why_not_of_table, _widths)
    if getattr(model, "type", "") == "graph":
        graph = _Graph(model.model_dump(mode="json")["nodes"], predictor.deliverable().module)
        return Rule(graph.why, graph.settings)
    why = "only those of graphs of layers, and of tables with the combiner mlp, are written there"
    fix = "take them out of what is exported: trainwright export RUN --to onnx --shrink"
    raise RequestError("the sizes of this model's layers are not in its configuration", where="--shrink", why=why, fix=fix)


def _why_not_of_table(name: str) -> str:
    return "" if OF_TABLES.fullmatch(name) else "its size is not in the configuration"


def _widths(weights: Mapping[str, Tensor]) -> list[Assignment]:
    """`system.model.combiner.width`, a size for each layer."""
    layers = {int(match[1]): len(each) for name, each in weights.items() if (match := OF_TABLES.fullmatch(name))}
    return [assign_option("system.model.combiner.width", [layers[place] for place in sorted(layers)], "the weights that are left")]


class _Graph:
    """The nodes of a graph that have sizes, in the order of the layers made of them."""

    def __init__(self, nodes: list[Any], module: nn.Module) -> None:
        self.nodes = nodes
        self.named: dict[str, int] = {}
        """Name of a module → the place of its node; empty where nodes and modules are not one to one."""
        kinds = [_kind(node) for node in nodes]
        for kind in SIZED:
            places = [place for place, each in enumerate(kinds) if each == kind]
            modules = [_own_name(f"{name}.") for name, each in module.named_modules() if type(each).__name__ == kind]
            if len(places) == len(modules):
                self.named |= {name.removesuffix("."): place for name, place in zip(modules, places, strict=True)}

    def why(self, name: str) -> str:
        return "" if name.rpartition(".")[0] in self.named else "no node of the graph says its size"

    def settings(self, weights: Mapping[str, Tensor]) -> list[Assignment]:
        """`system.model.nodes` with the sizes of the weights."""
        nodes = list(self.nodes)
        for name, place in self.named.items():
            weight = weights[f"{name}.weight"]
            sizes = [len(weight)] if SIZED[_kind(nodes[place])] == 1 else [weight.shape[1], weight.shape[0]]
            nodes[place] = _resize_node(nodes[place], sizes)
        return [assign_option("system.model.nodes", nodes, "the weights that are left")]


def _kind(node: Any) -> str:
    """The class that a node names."""
    if isinstance(node, str):
        return node
    if not isinstance(node, dict):
        return ""
    return str(node.get("type") or next(iter(node), ""))


def _resize_node(node: Any, sizes: list[int]) -> Any:
    """A node with other sizes: as first arguments, or by their names."""
    kind = _kind(node)
    inside = node["args"] if "args" in node else node.get(kind, node)
    if isinstance(inside, list):
        made: Any = [*sizes, *inside[len(sizes) :]]
    elif isinstance(inside, dict):
        names = next(names for start, names in KEYWORDS.items() if kind.startswith(start))
        made = {**inside, **dict(zip(names, sizes, strict=True))}
    else:
        made = sizes[0] if len(sizes) == 1 else sizes
    if "args" in node:
        return {**node, "args": made}
    return {**node, kind: made} if kind in node else made

"""The layer that a node makes: its arguments checked against the signature, its weights drawn or read."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from torch import nn

from trainwright.config.errors import FOREIGN, RequestError, nearest
from trainwright.config.registry import build
from trainwright.tools.graph.blocks import Blocks
from trainwright.tools.graph.held import make_buffer, make_parameter, make_parameters
from trainwright.tools.graph.naming import is_made, thing
from trainwright.tools.graph.plan import GraphNode, GraphPlan, Here
from trainwright.tools.graph.pretrained import read_weights
from trainwright.tools.graph.reading import read_layer
from trainwright.tools.graph.registered import block_named, options_of_block
from trainwright.tools.graph.values import LayerArguments
from trainwright.tools.graph.writing import KEYS, write_long_form

Made = nn.Module | nn.Parameter | nn.Buffer


@dataclass(frozen=True)
class MakeGraph:
    """Makes the graphs inside a graph, which know its blocks."""

    make: Callable[[GraphPlan], nn.Module]
    blocks: Blocks | None

    def __call__(self, plan: GraphPlan) -> nn.Module:
        """The module of a plan."""
        return self.make(plan)


CONTAINERS = (nn.Sequential, nn.ModuleList, nn.ModuleDict)


def make_node(node: GraphNode, make_graph: MakeGraph) -> Made:
    """What the node keeps in the graph, with `repeat` as a ModuleList; raises ConfigError saying what does not fit."""
    if node.join:
        return _side_by_side(node, make_graph)
    if node.repeated and not node.share:
        made = [_once(each, make_graph) for each in node.variants or [node] * node.repeat]
        if not all(isinstance(each, nn.Module) for each in made):
            raise node.here.error("only layers can be repeated", fix="remove `repeat`")
        return nn.ModuleList(made)  # type: ignore[arg-type]
    return _once(node, make_graph)


def _side_by_side(node: GraphNode, make_graph: MakeGraph) -> nn.Module:
    """Layers that are given the same, by their names, or numbered."""
    made = {}
    for each in node.variants:
        found = _once(each, make_graph) if is_made(thing(each.type, each.here)) else None
        if not isinstance(found, nn.Module):
            fix = "put it into a nested graph: {type: graph, nodes: […]}"
            raise each.here.error(f"'{each.type}' is no layer", why="only layers stand side by side", fix=fix)
        made[each.name] = found
    numbered = list(made) == [str(number) for number in range(len(made))]
    return nn.ModuleList(made.values()) if numbered else nn.ModuleDict(made)


def _once(node: GraphNode, make_graph: MakeGraph) -> Made:
    if node.plan is not None:
        return make_graph(node.plan)
    return _make(thing(node.type, node.here), node, make_graph)


def _make(found: Any, node: GraphNode, make_graph: MakeGraph) -> Made:
    here = node.here

    def make_layer(value: Any, place: Here) -> nn.Module:
        return layer(value, place, make_graph)

    if found in (nn.Parameter, nn.Buffer):
        if node.args:
            raise here.error(f"a {node.type} takes no list", fix="write shape: [3, 4] or value: [1.0, 2.0]")
        return make_parameter(node.kwargs, here) if found is nn.Parameter else make_buffer(node.kwargs, here)
    if found in (nn.ParameterDict, nn.ParameterList):
        return make_parameters(found, node.args, node.kwargs, here)
    if found in CONTAINERS:
        return _container(found, node, make_layer)
    if "weights" in node.kwargs and hasattr(found, "from_pretrained"):
        return _make_pretrained(found, node)
    if name := block_named(node.type):
        return _make_block(name, node)
    convert = LayerArguments(found, here, make_layer)
    signature = signature_of(found)
    names = list(signature.parameters) if signature else []
    args = [convert.value(each, names[i] if i < len(names) else "") for i, each in enumerate(node.args)]
    made: Made = call_layer(found, node.type, args, {key: convert.value(each, key) for key, each in node.kwargs.items()}, here)
    return made


def _make_block(name: str, node: GraphNode) -> nn.Module:
    """A registered block, made of its checked options."""
    options = options_of_block(name, node.args, node.kwargs, node.here)
    made: nn.Module = call_layer(partial(build, "block"), name, [options], {}, node.here)
    return made


def layer(value: Any, here: Here, make_graph: MakeGraph) -> nn.Module:
    """A layer written inside another: `ReLU`, `{Linear: [64, 10]}`, `{type: graph, nodes: […]}`; raises ConfigError for anything else."""
    wrote = write_long_form(value, here)
    here = replace(here, name=wrote.name or here.name)
    extra = sorted(set(wrote.own) - {"type", "name", "args", "kwargs", "nodes", "inputs", "outputs"})
    if wrote.type in ("graph", "block", "parallel"):
        plan = read_layer(wrote, here, make_graph.blocks)
        return make_graph(plan)
    if extra or "inputs" in wrote.own or "outputs" in wrote.own:
        raise here.error(f"`{[*extra, 'inputs'][0]}` has no meaning for a layer inside another", fix="make it a node of a nested graph")
    found = thing(wrote.type, here)
    if not is_made(found) or found in (nn.Parameter, nn.Buffer):
        fix = "put it into a nested graph: {type: graph, nodes: […]}"
        raise here.error(f"'{wrote.type}' is no layer", why="only layers can be inside a layer", fix=fix)
    made = _make(found, GraphNode(here, wrote.name, wrote.type, wrote.args, wrote.kwargs), make_graph)
    if not isinstance(made, nn.Module):
        raise here.error(f"'{wrote.type}' gives {type(made).__name__}, not a layer", fix="name a subclass of torch.nn.Module")
    return made


def _container(found: Any, node: GraphNode, make_layer: Callable[[Any, Here], nn.Module]) -> nn.Module:
    """Sequential, ModuleList or ModuleDict of layers; a layer with a name is kept under that name."""
    if found is nn.ModuleDict:
        if node.args or not node.kwargs:
            raise node.here.error("a ModuleDict needs a mapping of layers", fix="write {ModuleDict: {relu: ReLU, tanh: Tanh}}")
        return nn.ModuleDict({name: make_layer(each, node.here.under(name)) for name, each in node.kwargs.items()})
    if node.kwargs or not node.args:
        raise node.here.error(f"a {node.type} needs a list of layers", fix=f"write {{{node.type}: [{{Linear: [64, 10]}}, ReLU]}}")
    places = [node.here.under(number) for number in range(len(node.args))]
    made = [make_layer(each, place) for each, place in zip(node.args, places, strict=True)]
    if found is nn.ModuleList:
        return nn.ModuleList(made)
    names = [write_long_form(each, place).name or str(i) for i, (each, place) in enumerate(zip(node.args, places, strict=True))]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise node.here.error(f"the name '{twice}' is used twice", fix="rename one of them")
    sequence = nn.Sequential()
    for name, each in zip(names, made, strict=True):
        sequence.add_module(name, each)
    return sequence


def _make_pretrained(found: Any, node: GraphNode) -> nn.Module:
    """`{type: Embedding, weights: vectors.npy, freeze: true, padding_idx: 0}`."""
    weights = node.kwargs["weights"]
    if not isinstance(weights, str) or node.args:
        what = "the size comes from the weights" if node.args else f"`weights` is {weights!r}"
        raise node.here.error(what, fix="write weights: vectors.npy or weights: model.safetensors:key, and no sizes")
    options = {key: each for key, each in node.kwargs.items() if key != "weights"}
    matrix = read_weights(weights, node.here)
    if matrix.dim() != 2:
        raise node.here.error(f"the weights have shape {tuple(matrix.shape)}", fix="an embedding is a matrix: (rows, dimension)")
    made: nn.Module = call_layer(found.from_pretrained, f"{node.type}.from_pretrained", [matrix], options, node.here)
    return made


def call_layer(make: Any, shown: str, args: list[Any], kwargs: Mapping[str, Any], here: Here) -> Any:
    """`make(*args, **kwargs)`; raises ConfigError with the signature and the nearest argument name where they do not fit."""
    signature = signature_of(make)
    check_arguments(signature, shown, args, kwargs, here)
    try:
        return make(*args, **kwargs)
    except RequestError:
        raise
    except FOREIGN as error:  # whatever the layer raises is the answer
        why = f"{type(error).__name__}: {error}" + (f"; it is {shown}{brief(signature)}" if signature else "")
        raise here.error(f"{shown} cannot be made", why=why, fix="give it the arguments that this error asks for") from error


def check_arguments(signature: inspect.Signature | None, shown: str, args: Sequence[Any], kwargs: Mapping[str, Any], here: Here) -> None:
    """Raises ConfigError with the signature and the nearest argument name where the arguments do not fit it."""
    if signature is None:
        return
    try:
        signature.bind(*args, **kwargs)
    except TypeError as error:
        why = f"{error}; it is {shown}{brief(signature)}"
        raise here.error(f"wrong arguments for {shown}", why=why, fix=_fix(signature, kwargs)) from error


def _fix(signature: inspect.Signature, kwargs: Mapping[str, Any]) -> str:
    unknown = next((key for key in kwargs if key not in signature.parameters), None)
    close = nearest(unknown, signature.parameters) if unknown else ""
    if close:
        return f"did you mean '{close}' instead of '{unknown}'?"
    if unknown and nearest(unknown, KEYS):
        return f"did you mean the key '{nearest(unknown, KEYS)}' of a node?"
    if unknown:
        return f"remove '{unknown}'"
    needed = [each.name for each in signature.parameters.values() if each.default is each.empty and each.kind is each.POSITIONAL_OR_KEYWORD]
    return f"it needs {', '.join(needed)}" if needed else "remove what it does not take"


def brief(signature: inspect.Signature) -> str:
    """A signature without annotations, `device` and `dtype`."""
    kept = [each.replace(annotation=each.empty) for each in signature.parameters.values() if each.name not in ("device", "dtype", "self")]
    return str(signature.replace(parameters=kept, return_annotation=signature.empty))


def signature_of(made_from: Any) -> inspect.Signature | None:
    """The signature, where there is one to be had (some functions in C have none)."""
    try:
        return inspect.signature(made_from)
    except (TypeError, ValueError):
        return None

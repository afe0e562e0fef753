"""The forward of a graph as Python source: one line per node, as one would write it by hand."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from torch import nn

from trainwright.tools.graph.layers import check_arguments, signature_of
from trainwright.tools.graph.naming import HELD, full_name, is_made, thing
from trainwright.tools.graph.plan import Constant, GraphNode, GraphPlan, Here, Reference, references_in
from trainwright.tools.graph.references import is_argument
from trainwright.tools.graph.values import source_of
from trainwright.tools.graph.writing import WORDS

INDENT = "    "


@dataclass
class ForwardText:
    """The text of a forward; `nodes[i]` is the node that line i+1 belongs to, `paths` the user's functions by the name they have in it."""

    lines: list[str] = field(default_factory=list)
    nodes: list[GraphNode | None] = field(default_factory=list)
    paths: dict[str, str] = field(default_factory=dict)
    depth: int = 1

    @property
    def text(self) -> str:
        """All lines."""
        return "\n".join(self.lines) + "\n"

    def add(self, line: str, node: GraphNode | None = None, inside: int = 0) -> None:
        """One more line, `inside` steps further in."""
        self.lines.append(INDENT * (self.depth + inside) + line)
        self.nodes.append(node)

    def function(self, path: str) -> str:
        """The name of a user's function in the text."""
        return next((name for name, each in self.paths.items() if each == path), None) or self._new(path)

    def _new(self, path: str) -> str:
        name = f"_f{len(self.paths)}"
        self.paths[name] = path
        return name


def forward_source(plan: GraphPlan, freeing: bool = True) -> ForwardText:
    """The forward of a plan; with `freeing`, tensors that are read no more are let go as they are in code written by hand."""
    source = ForwardText(depth=0)
    source.add(f"def forward({', '.join(['self', *(each.name for each in plan.inputs)])}):")
    source.depth = 1
    if plan.loop is not None:
        _loop_head(plan, source)
    last = _last_reads(plan) if freeing and plan.loop is None else {}
    for number, node in enumerate(plan.nodes):
        _node(node, source)
        done = last.get(number)
        if done:
            source.lines[-1] += f"; {' = '.join(done)} = None"
    if plan.loop is None:
        source.add(f"return {write_value(plan.outputs)}")
    else:
        _loop_tail(plan, source)
    return source


def _last_reads(plan: GraphPlan) -> dict[int, list[str]]:
    """Node number → the names that no later node reads. A line of its own is never freed on, so that loops stay whole."""
    last: dict[str, int] = {}
    for number, node in enumerate(plan.nodes):
        for each in node.references():
            if each.base:
                last[each.base] = number
    kept = {each.base for each in references_in(plan.outputs)}
    found: dict[int, list[str]] = {}
    for name, number in last.items():
        if name not in kept and not plan.nodes[number].repeated and plan.nodes[number].type != "ModuleList":
            found.setdefault(number, []).append(name)
    return found


def _loop_head(plan: GraphPlan, source: ForwardText) -> None:
    loop = plan.loop
    if loop is None:
        return
    source.add("_each = []")
    if len(loop.over) == 1:
        source.add(f"for {loop.over[0]} in {loop.over[0]}.unbind({loop.dim}):")
    else:
        several = ", ".join(f"{each}.unbind({loop.dim})" for each in loop.over)
        source.add(f"for {', '.join(loop.over)} in zip({several}, strict=True):")
    source.depth += 1


def _loop_tail(plan: GraphPlan, source: ForwardText) -> None:
    loop = plan.loop
    if loop is None:
        return
    source.add(f"_each.append({write_value(loop.each)})")
    if loop.carry:
        source.add(f"{', '.join(loop.carry)} = {', '.join(write_value(loop.after[name]) for name in loop.carry)}")
    source.depth -= 1
    state = "".join(f", {name}" for name in loop.carry) if len(loop.carry) == 1 else f", ({', '.join(loop.carry)})" if loop.carry else ""
    source.add(f"return torch.stack(_each, {loop.dim}){state}")


def _node(node: GraphNode, source: ForwardText) -> None:
    """The line, or the lines of a repeated node and of layers side by side."""
    given = [write_value(each) for each in node.given]
    named = [f"{key}={write_value(each)}" for key, each in node.given_by_name.items()]
    call = callee(node, source) if not node.join else Callee("_layer")
    if node.join:
        _side_by_side(node, [*given, *named], source)
    elif call.repeated:
        _repeat(node, call.text, given, named, source)
    elif call.held:
        source.add(f"{node.name} = {call.text}", node)
    elif node.type in WORDS:
        source.add(f"{node.name} = {_word(node, given)}", node)
    else:
        source.add(f"{node.name} = {call.text}({', '.join([*given, *call.args, *named, *call.kwargs])})", node)
    if isinstance(node.outputs, str):
        source.add(f"{node.outputs} = {node.name}", node)
    elif node.outputs is not None:
        source.add(f"{_targets(node.outputs)} = {node.name}", node)


def _repeat(node: GraphNode, text: str, given: list[str], named: list[str], source: ForwardText) -> None:
    if not given:
        raise node.here.error("a repeated node needs its first input by position", fix="write inputs: [first, …]")
    rest = [*given[max(len(node.carry), 1) :], *named]
    source.add(f"{node.name} = {given[0] if not node.carry else _targets(given[: len(node.carry)])}", node)
    layers = f"self.{node.name}" if text == "_layer" else f"range({node.repeat})"
    source.add(f"for {'_layer' if text == '_layer' else '_'} in {layers}:", node)
    before = f"*{node.name}" if node.carry else node.name
    source.add(f"{node.name} = {text}({', '.join([before, *rest])})", node, inside=1)


def _side_by_side(node: GraphNode, given: list[str], source: ForwardText) -> None:
    """Each layer called with the same, and what becomes of the results."""
    numbered = all(each.name.isdigit() for each in node.variants)
    source.add(f"{node.name} = []", node)
    source.add(f"for _layer in self.{node.name}{'' if numbered else '.values()'}:", node)
    source.add(f"{node.name}.append(_layer({', '.join(given)}))", node, inside=1)
    name, dim = node.name, node.dim
    joined = {
        "stack": f"torch.stack({name}, {dim})",
        "cat": f"torch.cat({name}, {dim})",
        "sum": f"_sum({name})",
        "mean": f"_sum({name}) / {len(node.variants)}",
        "list": f"tuple({name})",
    }
    source.add(f"{name} = {joined[node.join]}", node)


@dataclass(frozen=True)
class Callee:
    """How a node is called: the text before the bracket, and constants that go in after the inputs."""

    text: str
    args: tuple[str, ...] = ()
    kwargs: tuple[str, ...] = ()
    held: bool = False
    repeated: bool = False


def callee(node: GraphNode, source: ForwardText) -> Callee:
    """What stands before the bracket; raises ConfigError for a type that cannot be called."""
    if node.use:
        return Callee(_member(node.use))
    found = thing(node.type, node.here)
    if not is_made(found):
        return _function(found, node, source)
    many = node.repeated
    if many and node.share:
        return Callee(f"self.{node.name}", repeated=True)
    if node.choose is not None:
        if found not in (nn.ModuleDict, nn.ModuleList, nn.ParameterDict, nn.ParameterList) or many:
            fix = "`choose` goes with ModuleDict, ModuleList or ParameterDict"
            raise node.here.error(f"nothing to choose from in '{node.type}'", fix=fix)
        return Callee(f"self.{node.name}[{write_value(node.choose)}]", held=found in HELD)
    if found is nn.ModuleDict:
        raise node.here.error("a ModuleDict does not say which of its layers runs", fix="write choose: name of an input that holds the key")
    if many or found is nn.ModuleList:
        return Callee("_layer", repeated=True)
    return Callee(f"self.{node.name}", held=found in HELD)


def _function(found: Any, node: GraphNode, source: ForwardText) -> Callee:
    here = node.here
    if node.choose is not None or node.repeated:
        raise here.error(f"'{node.type}' is a function: it has no `{'choose' if node.choose is not None else 'repeat'}`", fix="use a layer")
    if isinstance(found, str):
        return Callee(found)  # one of our words
    wrong = next((key for key in node.kwargs if not is_argument(key)), None)
    if wrong is not None:
        raise here.error(f"'{wrong}' cannot be the name of an argument", fix="write the names that the function has")
    args = tuple(source_of(each, "", here) for each in node.args)
    kwargs = tuple(f"{key}={source_of(each, key, here)}" for key, each in node.kwargs.items())
    path = full_name(node.type)
    if isinstance(found, type) and hasattr(found, "apply") and hasattr(found, "backward"):
        return Callee(f"{source.function(path)}.apply", args, kwargs)  # a torch.autograd.Function
    _check_call(found, node)
    text = path if path.startswith("torch.") and ":" not in path else source.function(path)
    return Callee(text, args, kwargs)


def _check_call(found: Any, node: GraphNode) -> None:
    """Arguments that cannot fit are refused before anything runs; functions in C say so when they run."""
    check_arguments(signature_of(found), node.type, [*node.given, *node.args], {**node.given_by_name, **node.kwargs}, node.here)


def _word(node: GraphNode, given: list[str]) -> str:
    """`add` and `mul` between the inputs, `cat` and `stack` over them."""
    if len(given) == 1 and given[0].startswith("["):
        given = [given[0]]
    if len(given) < 2 or node.given_by_name:
        raise node.here.error(f"'{node.type}' joins two inputs or more", fix="write inputs: [a, b]")
    if node.type in ("add", "mul"):
        if node.args or node.kwargs:
            raise node.here.error(f"'{node.type}' takes no arguments", fix="keep inputs only")
        return (" + " if node.type == "add" else " * ").join(given)
    dim = node.kwargs.get("dim", node.args[0] if node.args else None)
    if not isinstance(dim, int) or len(node.kwargs) + len(node.args) != 1:
        fix = "write dim: 1, the dimension along which the inputs are joined"
        raise node.here.error(f"'{node.type}' needs `dim` and nothing else", fix=fix)
    return f"torch.{node.type}(({', '.join(given)}), {dim})"


def write_value(value: Any) -> str:
    """A reference, a constant or a structure of them as Python text."""
    if isinstance(value, Reference):
        return value.code
    if isinstance(value, Constant):
        return source_of(value.value, value.key, Here())
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key!r}: {write_value(each)}" for key, each in value.items()) + "}"
    return "(" + "".join(f"{write_value(each)}, " for each in value) + ")"


def _targets(outputs: Any) -> str:
    if isinstance(outputs, str):
        return outputs
    return "(" + "".join(f"{_targets(each)}, " for each in outputs) + ")"


def _member(path: str) -> str:
    return "self" + "".join(f"[{each}]" if each.isdigit() else f".{each}" for each in path.split("."))

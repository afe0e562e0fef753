"""A graph as it is written → a plan: every name resolved, every structural mistake found with its place. Imports no torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from trainwright.config.errors import ManyErrors, RequestError, did_you_mean
from trainwright.tools.graph.blocks import Blocks, read_blocks, read_repeat, used_in
from trainwright.tools.graph.known import check_types
from trainwright.tools.graph.loops import read_loop
from trainwright.tools.graph.plan import Constant, GraphNode, GraphPlan, Here, Input, Loop, Reference, names_in, references_in
from trainwright.tools.graph.references import is_argument, is_member, is_name, read_value, reference
from trainwright.tools.graph.uses import read_carry, side_by_side, use_block
from trainwright.tools.graph.writing import LOOP_KEYS, NESTED, LongForm, default_name, write_long_form

INPUT_KEYS = ("shape", "dtype", "batch")
DEFAULT_INPUT = "x"


def read(inputs: Any, nodes: Any, outputs: Any = None, root: str = "model", blocks: Any = None) -> GraphPlan:
    """The plan of a graph; raises ConfigError (or ManyErrors) with the place of every structural mistake."""
    here = Here(root)
    reader = Reader(here, read_blocks(blocks, here.under("blocks")))
    plan = reader.plan(read_inputs(inputs, here.under("inputs")), nodes, outputs)
    unused = set(reader.blocks.named) - set(used_in([nodes, blocks]))
    for name in () if reader.errors else sorted(unused):
        block = reader.blocks.named[name].here
        reader.errors.append(block.error(f"the block '{name}' is not used", fix=f"write {{block: {name}}} as a node, or leave it out"))
    if reader.errors:
        raise reader.errors[0] if len(reader.errors) == 1 else ManyErrors(reader.errors)
    return plan


def read_inputs(inputs: Any, here: Here) -> tuple[Input, ...]:
    """`x`, `[x, y]` or `{x: {shape: [3, 32, 32], dtype: float32, batch: 0}}`; raises ConfigError for anything else."""
    if inputs is None:
        return (Input(DEFAULT_INPUT),)
    if isinstance(inputs, str):
        inputs = [inputs]
    if isinstance(inputs, Mapping):
        return tuple(_named_example(name, each, here) for name, each in inputs.items())
    if not isinstance(inputs, list | tuple) or not inputs:
        fix = "write inputs: x, inputs: [x, y] or inputs: {x: {shape: [3, 32, 32]}}"
        raise here.error(f"inputs must be names, not {inputs!r}", fix=fix)
    return tuple(_named_example(name, None, here) for name in inputs)


def _named_example(name: Any, value: Any, here: Here) -> Input:
    if not is_name(name):
        raise here.error(f"{name!r} cannot be the name of an input", fix="use letters, digits and `_`, and no word of Python")
    return read_example(name, value, here)


def read_example(name: str, value: Any, here: Here) -> Input:
    """`[3, 32, 32]` or `{shape, dtype, batch}` as the example of an input; raises ConfigError for anything else."""
    if value is None:
        return Input(name)
    if isinstance(value, list | tuple):
        value = {"shape": value}
    if not isinstance(value, Mapping):
        raise here.error(f"input '{name}' is described by {value!r}", fix=f"write {name}: {{shape: [3, 32, 32], dtype: float32}}")
    unknown = next((key for key in value if key not in INPUT_KEYS), None)
    if unknown is not None:
        raise here.error(f"unknown option '{unknown}' of input '{name}'", fix=did_you_mean(str(unknown), INPUT_KEYS))
    shape, batch = value.get("shape"), value.get("batch", 0)
    if not isinstance(shape, list | tuple) or not all(isinstance(each, int) and each >= 0 for each in shape):
        raise here.error(f"the shape of input '{name}' is {shape!r}", fix="write whole numbers without the batch, for example [3, 32, 32]")
    if batch is not None and not (isinstance(batch, int) and 0 <= batch <= len(shape)):
        raise here.error(f"`batch` of input '{name}' is {batch!r}", fix=f"a position from 0 to {len(shape)}, or null for none")
    return Input(name, tuple(shape), str(value.get("dtype", "float32")), batch)


class Reader:
    """Reads one graph: the names it has, and the mistakes met so far."""

    def __init__(self, here: Here, blocks: Blocks | None = None) -> None:
        self.here, self.blocks = here, blocks or Blocks()
        self.errors: list[RequestError] = []
        self.made: dict[str, Here] = {}
        self.later: dict[str, GraphNode] = {}

    def plan(self, inputs: tuple[Input, ...], nodes: Any, outputs: Any, loop: Loop | None = None) -> GraphPlan:
        """The graph, with the mistakes in `errors`; those of which nothing can be read are raised."""
        if not isinstance(nodes, list | tuple) or not nodes:
            fix = "write a list of layers, for example nodes: [{Linear: [64, 10]}]"
            raise self.here.under("nodes").error("a graph needs nodes", fix=fix)
        read = self._nodes(inputs, nodes)
        handed = self._outputs(read, outputs)
        for each in inputs:
            self._make(each.name, self.here.under("inputs"))
        self.later = {name: node for node in reversed(read) for name in (node.name, *names_in(node.outputs))}
        for node in read:
            self._check(node)
            for name in dict.fromkeys((node.name, *names_in(node.outputs))):
                self._make(name, node.here)
        self._check_known(handed, self.here.under("outputs"))
        if not self.errors:
            self._ensure_used(inputs, read, [handed, loop.after if loop else None, loop.each if loop else None], loop)
        return GraphPlan(self.here, inputs, tuple(read), handed, loop, self.blocks)

    def inner_reader(self, here: Here, blocks: Blocks | None = None) -> Reader:
        """One for a graph inside, which knows the same blocks."""
        return Reader(here, blocks or self.blocks)

    def read_inputs(self, inputs: Any, previous: str, here: Here) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The arguments of a call as `inputs` write them, by position and by name; the result of the node before where there are none."""
        return _read_given(inputs, previous, here, alone=False)

    def literals(self, own: Mapping[str, Any], here: Here) -> dict[str, Any]:
        """What `with` gives a call by name: values as they are written."""
        written = own.get("with") or {}
        if not isinstance(written, Mapping) or not all(is_argument(key) for key in written):
            raise here.error(f"`with` is {written!r}", fix="write with: {argument: value}; names of nodes go under inputs")
        return {str(key): Constant(each, str(key)) for key, each in written.items()}

    def layer_plan(self, wrote: LongForm, here: Here) -> GraphPlan | None:
        """The plan of a layer that is a graph, a block or layers side by side; None for any other layer."""
        if wrote.type == "block":
            return use_block(self, here, wrote, "x").plan
        if wrote.type == "graph":
            return read_nested(wrote.own, here, self.blocks)
        if wrote.type == "parallel":
            return read_nested({"nodes": [{**wrote.own, "type": "parallel"}]}, here, self.blocks)
        return None

    def _nodes(self, inputs: tuple[Input, ...], nodes: Sequence[Any]) -> list[GraphNode]:
        found: list[tuple[int, LongForm]] = []
        for number, each in enumerate(nodes):
            self._collecting(
                lambda number=number, each=each: found.append((number, write_long_form(each, self.here.under("nodes", number))))
            )
        taken = {each.name for each in inputs} | {each.name for _, each in found if each.name}
        read: list[GraphNode] = []
        previous = inputs[0].name if inputs else ""
        for number, each in found:
            each.name = each.name or _free_name(default_name(_called_after(each)), taken)
            taken.add(each.name)
            before = previous
            self._collecting(lambda n=number, e=each, b=before: read.append(self._node(n, e, b)))
            previous = read[-1].result if read and not stands_alone(read[-1].type) else previous
        return read

    def _collecting(self, call: Any) -> None:
        try:
            call()
        except ManyErrors as error:
            self.errors += error.errors
        except RequestError as error:
            self.errors.append(error)

    def _node(self, number: int, wrote: LongForm, previous: str) -> GraphNode:
        here = self.here.under("nodes", number, name=wrote.name)
        self._collecting(lambda: check_types(wrote, here))
        if not is_name(wrote.name):
            raise here.error(f"'{wrote.name}' cannot be the name of a node", fix="use letters, digits and `_`, and no word of Python")
        own = wrote.own
        if wrote.type in NESTED:
            return self._nested_node(here, wrote, previous)
        use = own.get("use", "")
        if use and (wrote.type or wrote.args or wrote.kwargs):
            raise here.error("a node that uses another's layer makes none of its own", fix="keep `use` with inputs and outputs only")
        if use and not is_member(use):  # it becomes a part of the forward's source
            raise here.error(f"`use` names {use!r}, which is no layer", fix="write use: name or use: blocks.0.fc")
        choose = own.get("choose")
        given, by_name = _read_given(own.get("inputs"), previous, here, stands_alone(wrote.type))
        twice = next((key for key in self.literals(own, here) if key in by_name), "")
        if twice:
            raise here.error(f"the argument '{twice}' is given twice", why="under inputs and under with", fix="keep one")
        count, changing = read_repeat(own.get("repeat", 1), here)
        if changing and (use or own.get("share")):
            raise here.error("one layer cannot have arguments that change", fix="write repeat: a number, or leave `share` and `use` out")
        carry, given = read_carry(own.get("carry"), given, here, own.get("inputs") is None)
        return GraphNode(
            here,
            wrote.name,
            wrote.type,
            wrote.args,
            wrote.kwargs,
            given,
            {**by_name, **self.literals(own, here)},
            _output_names(own.get("outputs"), here) or (carry if len(carry) > 1 else None),
            count,
            _yes(own.get("share", False), here),
            use if isinstance(use, str) else "",
            read_value(choose, here) if choose is not None else None,
            variants=tuple(GraphNode(here, wrote.name, wrote.type, wrote.args, {**wrote.kwargs, **each}) for each in changing),
            carry=carry if len(carry) > 1 else (),
        )

    def _nested_node(self, here: Here, wrote: LongForm, previous: str) -> GraphNode:
        """A graph, a loop, a block or layers side by side."""
        if wrote.type not in ("block", "parallel"):
            return self._nest(here, wrote, previous)
        node = (use_block if wrote.type == "block" else side_by_side)(self, here, wrote, previous)
        share = _yes(wrote.own.get("share", False), here)
        if share and node.variants:
            raise here.error("one block cannot have arguments that change", fix="write repeat: a number, or leave `share` out")
        outputs = _output_names(wrote.own.get("outputs"), here) or node.carry or None
        return replace(node, share=share, outputs=outputs)

    def _nest(self, here: Here, wrote: LongForm, previous: str) -> GraphNode:
        if wrote.args or wrote.kwargs:
            known = ["inputs", "nodes", "outputs", "repeat", "share", *(LOOP_KEYS[1:] if wrote.type == "loop" else ())]
            unknown = next(iter(wrote.kwargs), "args")
            raise here.error(f"unknown option '{unknown}' of a {wrote.type}", fix=did_you_mean(unknown, known))
        own = wrote.own
        names, given = _inner_inputs(own.get("inputs"), previous, here, optional=wrote.type == "loop")
        inside = self.inner_reader(Here(here.root, here.path, user=here.user))
        if "with" in own or ("carry" in own and wrote.type != "loop"):
            what, fix = f"a {wrote.type} here has no `{'with' if 'with' in own else 'carry'}`", "write it as a block: {block: name, …}"
            raise here.error(what, fix="name the value: inputs: {inside: 0.5}" if "with" in own else fix)
        loop = outputs = None
        if wrote.type == "loop":
            loop, more, first = read_loop(own, here, previous)
            names, given, outputs = [*more, *names], [*first, *given], _output_names(own.get("outputs"), here)
        inputs = tuple(Input(name) for name in names)
        plan = inside.plan(inputs, own.get("nodes"), own.get("outputs") if loop is None else [], loop)
        if loop is not None:
            for place, each in (("next", loop.after), ("each", loop.each)):
                inside._check_known(each, here.under(place))
        self.errors += inside.errors
        repeat, share = _count(own.get("repeat", 1), here), _yes(own.get("share", False), here)
        return GraphNode(here, wrote.name, wrote.type, given=tuple(given), outputs=outputs, repeat=repeat, share=share, plan=plan)

    def _outputs(self, nodes: list[GraphNode], outputs: Any) -> Any:
        if outputs is None:
            last = next((each.result for each in reversed(nodes) if not stands_alone(each.type)), "")
            return Reference(last, last)
        return read_value(outputs, self.here.under("outputs"))

    def _make(self, name: str, here: Here) -> None:
        before = self.made.get(name)
        if before is not None:
            why = f"it was given before at {before}"
            self.errors.append(here.error(f"the name '{name}' is used twice", why=why, fix="rename one of them"))
        self.made[name] = here

    def _check(self, node: GraphNode) -> None:
        self._check_known([node.given, node.given_by_name, node.choose], node.here, node)
        if node.use and node.use.partition(".")[0] not in self.made:
            why = "it is made later" if self.later.get(node.use, node) is not node else ""
            fix = "a layer is used again after the node that makes it" if why else did_you_mean(node.use, self.made)
            self.errors.append(node.here.error(f"`use` names an unknown node '{node.use}'", why=why, fix=fix))

    def _check_known(self, value: Any, here: Here, node: GraphNode | None = None) -> None:
        """Every reference in `value` is to something made before."""
        for name in dict.fromkeys(each.base for each in references_in(value) if each.base):
            if name in self.made:
                continue
            later = self.later.get(name)
            if later is None:
                what = f"unknown input '{name}'" if node else f"unknown name '{name}'"
                self.errors.append(here.error(what, fix=did_you_mean(name, self.made)))
            elif node is not None:
                self.errors.append(self._too_early(name, node, later))

    def _too_early(self, name: str, node: GraphNode, later: GraphNode) -> RequestError:
        way = self._way(later, node)
        if way:
            shown = " → ".join([*(each.name for each in reversed(way)), node.name])
            fix = "a state carried from step to step is a `loop`"
            return node.here.error(f"a cycle: {shown}", why="each needs the one before", fix=fix)
        return node.here.error(f"'{name}' is used before it is made", why=f"it is made at {later.here}", fix="move that node up")

    def _way(self, start: GraphNode, end: GraphNode) -> list[GraphNode]:
        """The nodes from `start` to `end` along what each reads; empty when there is no such way."""
        waiting = [[start]]
        seen: set[str] = set()
        while waiting:
            way = waiting.pop()
            if way[-1].name == end.name:
                return way
            if way[-1].name in seen:
                continue
            seen.add(way[-1].name)
            waiting += [[*way, self.later[each.base]] for each in way[-1].references() if each.base in self.later]
        return []

    def _ensure_used(self, inputs: tuple[Input, ...], nodes: list[GraphNode], handed: Any, loop: Loop | None) -> None:
        used = {each.base for each in references_in(handed)} | {each.use.partition(".")[0] for each in nodes}
        used |= {each.base for node in nodes for each in node.references()}
        parameters = [each.parameter for each in references_in([handed, *([n.given, n.given_by_name] for n in nodes)])]
        used |= {each.partition(".")[0] for each in parameters}
        here = self.here.under("inputs")
        for each in inputs:
            if each.name not in used and not (loop and each.name in loop.carry):
                self.errors.append(here.error(f"the input '{each.name}' is not used", fix="give it to a node, or leave it out"))
        for node in nodes:
            if not used & {node.name, *names_in(node.outputs)}:
                fix = "give it to a node, name it in outputs, or leave it out"
                self.errors.append(node.here.error(f"the result of '{node.name}' is not used", fix=fix))


def stands_alone(kind: str) -> bool:
    """Whether a node reads nothing, and is passed over by the nodes after it: it is a parameter or a buffer."""
    return kind.rpartition(".")[2] in ("Parameter", "Buffer", "ParameterDict", "ParameterList")


def _read_given(inputs: Any, previous: str, here: Here, alone: bool) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The arguments of a call, by position and by name."""
    if inputs is None:
        return ((Reference(previous, previous),) if previous and not alone else ()), {}
    if isinstance(inputs, Mapping) and not (len(inputs) == 1 and next(iter(inputs)) in ("size", "parameter", "value")):
        wrong = next((key for key in inputs if not is_argument(key)), None)
        if wrong is not None:
            raise here.error(f"'{wrong}' cannot be the name of an argument", fix="write inputs: {argument: name}")
        return (), {str(key): read_value(each, here) for key, each in inputs.items()}
    if isinstance(inputs, list | tuple):
        return tuple(read_value(each, here) for each in inputs), {}
    return (read_value(inputs, here),), {}


def _inner_inputs(inputs: Any, previous: str, here: Here, optional: bool = False) -> tuple[list[str], list[Any]]:
    """What a nested graph calls its inputs, and what each is outside."""
    if inputs is None:
        return ([], []) if optional else ([DEFAULT_INPUT], [Reference(previous, previous)])
    if isinstance(inputs, Mapping):
        wrong = next((key for key in inputs if not is_name(key)), None)
        if wrong is not None:
            raise here.error(f"{wrong!r} cannot be the name of an input", fix="use letters, digits and `_`, and no word of Python")
        return list(inputs), [read_value(each, here) for each in inputs.values()]
    names = [inputs] if isinstance(inputs, str) else inputs
    if not isinstance(names, list | tuple) or not all(is_name(each) for each in names):
        raise here.error(f"the inputs of a nested graph are {inputs!r}", fix="name each: inputs: {inside: outside}")
    return list(names), [reference(each, here) for each in names]


def _output_names(outputs: Any, here: Here) -> Any:
    """`out` or `[out, [h, c]]`; raises ConfigError for anything else."""
    if outputs is None or is_name(outputs) or outputs == "_":
        return outputs
    if isinstance(outputs, list | tuple) and outputs:
        return tuple(_output_names(each, here) for each in outputs)
    raise here.error(f"{outputs!r} cannot name results", fix="write outputs: out or outputs: [out, [h, c]]; `_` leaves one out")


def _count(value: Any, here: Here) -> int:
    count, changing = read_repeat(value, here)
    if changing:
        raise here.error("a graph written here has no arguments", fix="write it under `blocks`, with parameters")
    return count


def _yes(value: Any, here: Here) -> bool:
    if not isinstance(value, bool):
        raise here.error(f"`share` is {value!r}", fix="true or false")
    return value


def _called_after(wrote: LongForm) -> str:
    """What a node without a name is called after."""
    return str(wrote.own.get("block")) if wrote.type == "block" else wrote.type or f"{wrote.own.get('use')}"


def _free_name(wanted: str, taken: set[str]) -> str:
    wanted = wanted if is_name(wanted) else f"{wanted}_node"
    return next(name for name in _number(wanted) if name not in taken)


def _number(wanted: str) -> Iterator[str]:
    yield wanted
    number = 2
    while True:
        yield f"{wanted}_{number}"
        number += 1


def read_nested(own: Mapping[str, Any], here: Here, blocks: Blocks | None = None) -> GraphPlan:
    """A graph written inside a layer; its inputs are names only. Raises ConfigError (or ManyErrors) for what is wrong in it."""
    reader = Reader(Here(here.root, here.path, user=here.user), blocks)
    plan = reader.plan(read_inputs(own.get("inputs"), here.under("inputs")), own.get("nodes"), own.get("outputs"))
    if reader.errors:
        raise reader.errors[0] if len(reader.errors) == 1 else ManyErrors(reader.errors)
    return plan


def read_layer(wrote: LongForm, here: Here, blocks: Blocks | None) -> GraphPlan:
    """The plan of a graph, a block or layers side by side within a layer; raises ConfigError (or ManyErrors) for what is wrong in it."""
    extra = next((key for key in ("repeat", "carry", "share") if key in wrote.own), "")
    if extra:
        raise here.error(f"`{extra}` has no meaning for a layer inside another", fix="make it a node of a nested graph")
    reader = Reader(Here(here.root, here.path, user=here.user), blocks)
    plan = reader.layer_plan(wrote, here)
    if reader.errors or plan is None:
        raise reader.errors[0] if len(reader.errors) == 1 else ManyErrors(reader.errors)
    return plan

"""Uses of blocks, and layers side by side on one input, as nodes. Imports no torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from trainwright.config.errors import did_you_mean
from trainwright.tools.graph.blocks import Block, read_repeat
from trainwright.tools.graph.known import check_types
from trainwright.tools.graph.plan import Constant, GraphNode, GraphPlan, Here, Input
from trainwright.tools.graph.references import is_name, read_value
from trainwright.tools.graph.writing import LongForm, write_long_form

if TYPE_CHECKING:
    from trainwright.tools.graph.reading import Reader

JOINS = ("stack", "cat", "sum", "mean", "list")
BRANCH_KEYS = {"type", "name", "args", "kwargs", "repeat", "block", "nodes", "inputs", "outputs"}


def read_carry(carry: Any, given: tuple[Any, ...], here: Here, alone: bool) -> tuple[tuple[str, ...], tuple[Any, ...]]:
    """The names of what goes from one repetition to the next, and what the first one is given; `alone`: no inputs are written.

    A list starts from the inputs in order, and from 0 where there are no more; a mapping says what each starts from.
    """
    if carry is None:
        return (), given
    names = [carry] if isinstance(carry, str) else list(carry) if isinstance(carry, list | tuple | Mapping) else []
    if not names or not all(is_name(each) for each in names) or len({*names}) < len(names):
        raise here.error(f"`carry` is {carry!r}", fix="write carry: [h, skip], or carry: {h: first value, skip: 0}")
    if isinstance(carry, Mapping):
        first = tuple(Constant(None) if each is None else read_value(each, here) for each in carry.values())
        return tuple(names), (*first, *(() if alone else given))
    missing = max(len(names) - len(given), 0)
    return tuple(names), (*given, *[Constant(0)] * missing)


def use_block(reader: Reader, here: Here, wrote: LongForm, previous: str) -> GraphNode:
    """The node that a use of a block is; raises ConfigError for arguments and inputs that are not those of the block."""
    own, block = wrote.own, reader.blocks.find(wrote.own.get("block"), here)
    if wrote.args or "with" in own:
        raise here.error("the arguments of a block are given by name", fix=f"write {{block: {block.name}, argument: value}}")
    count, changing = read_repeat(own.get("repeat", 1), here)
    twice = next((name for each in changing for name in each if name in wrote.kwargs), "")
    if twice:
        raise here.error(f"the argument '{twice}' is given twice", why="`repeat` changes it", fix="keep one")
    carry = own.get("carry")
    wanted = (carry,) if isinstance(carry, str) else tuple(carry or ())
    names = block.inputs or wanted or ("x",)
    given = _inputs_of(block, names, own.get("inputs"), previous, reader, here)
    carried, given = read_carry(carry, given, here, own.get("inputs") is None)
    if len(given) != len(names):
        fix = f"write inputs: [{', '.join(f'… ({name})' for name in names)}]"
        raise here.error(f"the block '{block.name}' takes {', '.join(names)}, and is given {len(given)}", fix=fix)
    plans = [plan_of(reader, block, {**wrote.kwargs, **each}, names, here) for each in changing or [{}]]
    _ensure_carried(plans[0], block, carried)
    node = GraphNode(here, wrote.name, "block", given=given, repeat=count, plan=plans[0], carry=carried if len(carried) > 1 else ())
    return replace(node, variants=tuple(GraphNode(here, wrote.name, "block", plan=plan) for plan in plans) if changing else ())


def plan_of(reader: Reader, block: Block, given: Mapping[str, Any], names: tuple[str, ...], here: Here) -> GraphPlan:
    """The nodes of a block with its arguments filled in; mistakes in it are told at the block, once."""
    arguments = block.arguments(given, here)
    inside = reader.inner_reader(Here(here.root, block.here.path, user=here.user or str(here)), reader.blocks.inside(block.name))
    plan = inside.plan(tuple(map(Input, names)), block.fill(block.nodes, arguments), block.fill(block.outputs, arguments))
    known = {str(each) for each in reader.errors}
    reader.errors += [each for each in inside.errors if str(each) not in known]
    return plan


def _inputs_of(block: Block, names: tuple[str, ...], written: Any, previous: str, reader: Reader, here: Here) -> tuple[Any, ...]:
    given, by_name = reader.read_inputs(written, previous, here)
    unknown = next((name for name in by_name if name not in names), None)
    if unknown is not None:
        raise here.error(f"the block '{block.name}' has no input '{unknown}'", fix=did_you_mean(str(unknown), names))
    return given or tuple(by_name[name] for name in names if name in by_name)


def _ensure_carried(plan: GraphPlan, block: Block, carried: tuple[str, ...]) -> None:
    results = len(plan.outputs) if isinstance(plan.outputs, list) else 1
    if len(carried) > 1 and results != len(carried):
        why, fix = f"carried are {', '.join(carried)}", f"write outputs: [{', '.join(f'new {name}' for name in carried)}] in the block"
        raise block.here.error(f"the block '{block.name}' hands back {results} of {len(carried)} values", why=why, fix=fix)


def side_by_side(reader: Reader, here: Here, wrote: LongForm, previous: str) -> GraphNode:
    """The node of layers that are all given the same inputs; raises ConfigError for what cannot stand there."""
    own = wrote.own
    unknown = next(iter(wrote.kwargs), "args" if wrote.args else "")
    if unknown:
        known = ["parallel", "then", "dim", "inputs", "outputs"]
        raise here.error(f"unknown option '{unknown}' of layers side by side", fix=did_you_mean(unknown, known))
    extra = next((key for key in ("repeat", "share", "use", "choose") if key in own), "")
    if extra:
        raise here.error(f"layers side by side have no `{extra}`", fix="write it at one of them, or put them into a block")
    branches = tuple(_branches(reader, here, own["parallel"]))
    names = [each.name for each in branches]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise here.error(f"the name '{twice}' is used twice", fix="rename one of them")
    given, by_name = reader.read_inputs(own.get("inputs"), previous, here)
    join, dim = _read_join(own, here)
    node = GraphNode(here, wrote.name, "parallel", given=given, given_by_name={**by_name, **reader.literals(own, here)}, join=join, dim=dim)
    return replace(node, variants=branches)


def _read_join(own: Mapping[str, Any], here: Here) -> tuple[str, int]:
    join, dim = own.get("then", "list"), own.get("dim", 1)
    if join not in JOINS:
        raise here.error(f"`then` is {join!r}", fix=did_you_mean(str(join), JOINS))
    if isinstance(dim, bool) or not isinstance(dim, int):
        raise here.error(f"`dim` is {dim!r}", fix="the dimension along which the results are joined, 1 unless written")
    if "dim" in own and join not in ("stack", "cat"):
        raise here.error(f"`dim` has no meaning for then: {join}", fix="leave it out")
    return join, dim


def _branches(reader: Reader, here: Here, written: Any) -> Iterator[GraphNode]:
    listed = written if isinstance(written, list | tuple) else ()
    pairs = list(written.items()) if isinstance(written, Mapping) else [(None, each) for each in listed]
    if isinstance(written, Mapping) and any(key in ("type", "block") or str(key)[:1].isupper() for key in written):
        raise here.error("`parallel` is one layer", fix="write a list: parallel: [{Linear: [8, 3], repeat: 4}]")
    if not pairs:
        raise here.error(f"`parallel` is {written!r}", fix="write a list of layers: parallel: [{Linear: [8, 3]}, {Linear: [8, 3]}]")
    number = 0
    for place, (name, each) in enumerate(pairs):
        inside = here.under("parallel", place if name is None else str(name), name=here.name)
        branch = write_long_form(each, inside)
        extra = next((key for key in branch.own if key not in BRANCH_KEYS or (key in ("inputs", "outputs") and branch.type != "graph")), "")
        if extra:
            raise inside.error(f"`{extra}` has no meaning for a layer beside others", fix="put it into a block, or a nested graph")
        check_types(branch, inside)
        count, changing = read_repeat(branch.own.get("repeat", 1), inside)
        called = str(name) if name is not None else branch.name
        for nth, more in enumerate(changing or [{}] * count):
            several = count > 1 or bool(changing)
            yield _branch(reader, inside, branch, more, f"{called}_{nth}" if called and several else called or str(number))
            number += 1


def _branch(reader: Reader, here: Here, wrote: LongForm, more: Mapping[str, Any], name: str) -> GraphNode:
    own = {key: each for key, each in wrote.own.items() if key not in ("repeat", "name")}
    one = LongForm(wrote.type, name, wrote.args, {**wrote.kwargs, **more}, own)
    plan = reader.layer_plan(one, here)
    return GraphNode(here, name, one.type, one.args, one.kwargs, plan=plan)

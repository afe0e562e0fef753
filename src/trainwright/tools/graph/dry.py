"""One run on an example: lazy layers get their sizes, and a shape that does not fit is told with its node and the arithmetic."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import TracebackType
from typing import Any

import torch
from torch import Tensor, nn

from trainwright.config.errors import FOREIGN, RequestError
from trainwright.config.own_code import describe_failure
from trainwright.tools.graph.arithmetic import arithmetic
from trainwright.tools.graph.compiled import forward_function, is_source
from trainwright.tools.graph.layers import brief, signature_of
from trainwright.tools.graph.naming import thing
from trainwright.tools.graph.plan import GraphError, GraphNode, GraphPlan
from trainwright.tools.graph.source import forward_source, write_value
from trainwright.tools.graph.values import dtype_of

ROWS = 2
"""Rows of an example."""
_rows_decide: ContextVar[bool] = ContextVar("rows_decide", default=False)


@contextmanager
def rows_decide() -> Iterator[None]:
    """Graphs made meanwhile will see rows of their run before it begins: what zeros alone are refused for, no shape, is left to these."""
    token = _rows_decide.set(True)
    try:
        yield
    finally:
        _rows_decide.reset(token)


def try_example(graph: nn.Module, plan: GraphPlan) -> None:
    """One run on the shapes that the inputs state, where each states one; raises ConfigError naming the node that does not fit.

    Zeros are no values that every layer takes (lengths of 0, rows that are padding alone): where they fail, and no shape says why, ones
    are tried, and rows of the run, where it will have some, decide.
    """
    given = examples(plan, graph)
    if given is None:
        return
    try:
        dry_run(graph, plan, tuple(given), {})
    except GraphError as error:
        if error.certain or not (_fits_ones(graph, plan, given) or _rows_decide.get()):
            raise


def _fits_ones(graph: nn.Module, plan: GraphPlan, given: list[Tensor]) -> bool:
    try:
        dry_run(graph, plan, tuple(map(torch.ones_like, given)), {})
    except FOREIGN:  # whatever torch raises: what zeros were refused for is told
        return False
    return True


def examples(plan: GraphPlan, graph: nn.Module) -> list[Tensor] | None:
    """Zeros of the shapes that the inputs state, with a batch of two, where the weights are; None unless every input states one."""
    if any(each.shape is None for each in plan.inputs):
        return None
    device = next((each.device for each in (*graph.parameters(), *graph.buffers())), torch.device("cpu"))
    here = plan.here.under("inputs")
    found = []
    for each in plan.inputs:
        shape = list(each.shape or ())
        if each.batch is not None:
            shape.insert(each.batch, ROWS)
        found.append(torch.zeros(shape, dtype=dtype_of(each.dtype, here), device=device))
    return found


@contextmanager
def _evaluating(graph: nn.Module) -> Iterator[None]:
    """Evaluation mode and no gradients, so that running statistics and random numbers stay as they are."""
    training = [each for each in graph.modules() if each.training]
    graph.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for each in training:
            each.training = True


def dry_run(graph: nn.Module, plan: GraphPlan, inputs: tuple[Any, ...], named: Mapping[str, Any]) -> Any:
    """The outputs of a graph for these inputs; raises ConfigError naming the node where it fails."""
    _check_count(plan, inputs, named)
    forward = forward_function(forward_source(plan, freeing=False))  # what came before is still there to explain with
    with _evaluating(graph):
        try:
            return forward(graph, *inputs, **named)
        except RequestError as error:
            told = _place_refusal(error, graph)
            if told is None:
                raise
            raise told from error
        except FOREIGN as error:
            told = explain_error(error, graph)
            if told is None:
                raise
            raise told from error


def _check_count(plan: GraphPlan, inputs: tuple[Any, ...], named: Mapping[str, Any]) -> None:
    wanted = [each.name for each in plan.inputs]
    if len(inputs) > len(wanted) or sorted([*wanted[: len(inputs)], *named]) != sorted(wanted):
        given = f"{len(inputs)} by position" + (f" and {', '.join(named)} by name" if named else "")
        raise plan.here.error(
            "a dry run needs every input", why=f"the inputs are {', '.join(wanted)}; given: {given}", fix="give one of each"
        )


def is_of(trace: TracebackType | None, graph: nn.Module) -> bool:
    """Whether an error passed through the forward of this graph."""
    while trace is not None:
        if is_source(trace.tb_frame.f_code) and trace.tb_frame.f_locals.get("self") is graph:
            return True
        trace = trace.tb_next
    return False


def explain_error(error: BaseException, graph: nn.Module) -> GraphError | None:
    """The error with the innermost node it happened in, the shapes that node was given and why they do not fit; None outside of nodes."""
    frame = _innermost(error.__traceback__)
    if frame is None:
        return None
    line, values = frame
    holder = values.get("self", graph)
    node = _node_at(holder, line)
    if node is None:
        return None
    if isinstance(error, ValueError | TypeError) and "unpack" in str(error) and node.name in values:
        what = f"the results of {_title(node)} do not fit `outputs`"
        return node.here.error(
            what, why=f"it gives {describe_tensor(values[node.name])}", fix="write as many names, for example [out, [h, c]]"
        )
    given = _list_given(node, values)
    what = f"{_title(node)} cannot take {_shapes(given)}" if given else f"{_title(node)} fails"
    layer, tensors = _failing(error.__traceback__)
    why, fix = arithmetic(layer, tensors or [each for each in given.values() if isinstance(each, Tensor)], values)
    inside = _path_of(layer, holder).removeprefix(node.use or node.name).strip(".")
    here = next((each.here for each in node.variants if node.join and each.name == inside.partition(".")[0]), node.here)
    why = f"inside, {type(layer).__name__} '{inside}': {why}" if why and inside else why
    several = next((name for name, each in given.items() if isinstance(each, tuple) and isinstance(error, TypeError | AttributeError)), "")
    if several and not why:
        why, fix = f"'{several}' holds {len(given[several])} results", f'take one of them, for example inputs: "{several}[0]"'
    said = describe_failure(error)
    certain = bool(why) or not isinstance(error, RuntimeError | ValueError | IndexError | AssertionError)
    return GraphError(what, here, why=why or said, fix=fix or _takes(node), certain=certain)


def _place_refusal(error: RequestError, graph: nn.Module) -> RequestError | None:
    """What a block, which knows no configuration, refuses, at the node it happened in; None where it has a place, or outside of nodes."""
    frame = _innermost(error.__traceback__)
    node = _node_at(frame[1].get("self", graph), frame[0]) if frame else None
    if node is None or error.where:
        return None
    return node.here.error(f"{_title(node)}: {error.what}", why=error.why, fix=error.fix)


def _takes(node: GraphNode) -> str:
    """What a node may be given, where nothing more is known."""
    given = f"give {_title(node)} other inputs or arguments"
    if node.use:
        return given
    made = thing(node.type, node.here)
    signature = signature_of(made.forward if isinstance(made, type) and issubclass(made, nn.Module) else made)
    return given if signature is None else f"{given}; it is called as {node.type.rpartition('.')[2]}{brief(signature)}"


def _title(node: GraphNode) -> str:
    return f"'{node.use}'" if node.use else node.type


def _failing(trace: TracebackType | None) -> tuple[nn.Module | None, list[Tensor]]:
    """The innermost layer on the way to the error, and the tensors it was given; none when a node calls no layer."""
    layer: nn.Module | None = None
    tensors: list[Tensor] = []
    while trace is not None:
        code, values = trace.tb_frame.f_code, trace.tb_frame.f_locals
        if is_source(code):
            layer, tensors = None, []
        elif code.co_name == "forward" and isinstance(values.get("self"), nn.Module):
            names = code.co_varnames[1 : code.co_argcount]
            layer, tensors = values["self"], [values[name] for name in names if isinstance(values.get(name), Tensor)]
        trace = trace.tb_next
    return layer, tensors


def _path_of(layer: nn.Module | None, holder: Any) -> str:
    modules = holder.named_modules() if isinstance(holder, nn.Module) else ()
    return next((name for name, each in modules if each is layer), "")


def _innermost(trace: TracebackType | None) -> tuple[int, dict[str, Any]] | None:
    """Line and local values of the last frame that is the forward of a graph."""
    found = None
    while trace is not None:
        if is_source(trace.tb_frame.f_code):
            found = trace.tb_lineno, dict(trace.tb_frame.f_locals)
        trace = trace.tb_next
    return found


def _node_at(graph: Any, line: int) -> GraphNode | None:
    plan = getattr(graph, "_plan", None)
    if plan is None:
        return None
    nodes = forward_source(plan).nodes
    return nodes[line - 1] if 0 < line <= len(nodes) else None


def _list_given(node: GraphNode, values: Mapping[str, Any]) -> dict[str, Any]:
    """What the node was called with, by what it is called in the graph; only what is a plain name."""
    found: dict[str, Any] = {}
    names = [*node.given, *node.given_by_name.values()]
    if node.repeated and node.name in values:
        found[node.name] = values[node.name]
        names = names[1:]
    for each in names:
        for one in each if isinstance(each, list) else [each]:
            code = write_value(one)
            if code in values:
                found[code] = values[code]
    return found


def _shapes(given: Mapping[str, Any]) -> str:
    return " and ".join(f"'{name}' {describe_tensor(value)}" for name, value in given.items())


def describe_tensor(value: Any) -> str:
    """A tensor's shape (and type, where it is not float32), or what else it is."""
    if isinstance(value, Tensor):
        kind = "" if value.dtype is torch.float32 else f" {str(value.dtype).removeprefix('torch.')}"
        return f"of shape {tuple(value.shape)}{kind}"
    if isinstance(value, tuple | list):
        return f"({', '.join(describe_tensor(each) for each in value)})"
    return f"({type(value).__name__})"

"""A model looked at: its tree with the numbers of one forward pass."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from trainwright.files.inspection.layers import Buffer, Flow, FlowNode, LayerRow, Totals
from trainwright.files.inspection.record import Inspection
from trainwright.nn.modes import eval_mode
from trainwright.nn.untouched import untouched
from trainwright.tools.inspection.places import ModulePlace, buffers_of, inner, kind_of, lazy_names, places, remarks
from trainwright.tools.inspection.trace import Call, Trace, trace_call


def look_at(
    model: nn.Module,
    call: Callable[[nn.Module], Any] | None = None,
    inputs: Iterable[tuple[str, Tensor]] = (),
    name: str = "",
    lazy: set[str] | None = None,
    only_used: bool = False,
) -> Inspection:
    """The inspection of a model; `call` runs it once (None: it is only looked at), `inputs` names the tensors it is run on.

    `lazy` names the modules whose sizes were not known before. With `only_used`, tensors that no module is given are no input of it.
    Raises ConfigError, with the module and the shapes, where the call fails.
    """
    lazy = lazy_names(model) if lazy is None else lazy
    given = list(inputs)
    trace = None
    if call is not None:
        with untouched(model), eval_mode(model), torch.no_grad():
            trace = trace_call(model, call, given)
        if only_used:
            given = [(each, tensor) for each, tensor in given if each in used_inputs(trace)]
            trace.inputs = {each: trace.inputs[each] for each, _ in given}
    found = _Numbers(model, trace)
    buffers = buffers_of(model)
    totals = _totals(model, found, buffers, [each for _, each in given])
    rows = [_row(place, found, totals, lazy, trace is not None) for place in places(model)]
    notes = [] if trace is not None else ["it was not run: shapes and multiply-adds are not known without an example"]
    return Inspection(
        name or kind_of(model), rows, totals, buffers, trace.inputs if trace else {}, flow_of(trace) if trace else Flow(), notes
    )


class _Numbers:
    """What the calls of a trace add up to, by module."""

    def __init__(self, model: nn.Module, trace: Trace | None) -> None:
        self.calls: dict[int, list[Call]] = {}
        for each in _every(trace.calls) if trace else ():
            if each.module is not None:
                self.calls.setdefault(id(each.module), []).append(each)
        self.loose = sum(each.mult_adds for each in trace.calls if each.module is None) if trace else 0
        self.used = trace.used if trace else set[int]()
        self.tied = _find_tied(model)

    def mult_adds(self, module: nn.Module, known: set[int] | None = None) -> int:
        """Of a module and all in it, each once."""
        known = set() if known is None else known
        if id(module) in known:
            return 0
        known.add(id(module))
        own = sum(each.mult_adds for each in self.calls.get(id(module), ()))
        return own + sum(self.mult_adds(child, known) for _, child in inner(module))

    def output_bytes(self) -> int:
        """Of all calls."""
        return sum(each.output_bytes for calls in self.calls.values() for each in calls)


def used_inputs(trace: Trace) -> set[str]:
    """Names of the inputs that something was made of."""
    sources = {source for each in _every(trace.calls) for source in each.sources}
    return {each.name for each in trace.calls if each.kind == "input" and each.number in sources}


def _every(calls: Iterable[Call]) -> Iterator[Call]:
    for each in calls:
        yield each
        yield from _every(each.children)


def _find_tied(model: nn.Module) -> dict[int, list[str]]:
    """Parameters that several different modules hold: identity → their names."""
    found: dict[int, list[str]] = {}
    for path, module in model.named_modules():
        for name, param in module._parameters.items():
            if param is not None:
                found.setdefault(id(param), []).append(f"{path}.{name}" if path else name)
    return {key: names for key, names in found.items() if len(names) > 1}


def _drop_lazy(parameters: Iterable[nn.Parameter]) -> list[nn.Parameter]:
    return [each for each in parameters if not is_lazy(each)]


def _totals(model: nn.Module, found: _Numbers, buffers: list[Buffer], inputs: list[Tensor]) -> Totals:
    params = _drop_lazy(model.parameters())
    elements = sum(each.numel() for each in model.buffers() if not is_lazy(each))
    different = {id(each): each for each in inputs}.values()
    return Totals(
        parameters=sum(each.numel() for each in params),
        trainable=sum(each.numel() for each in params if each.requires_grad),
        buffers=elements,
        mult_adds=found.mult_adds(model) + found.loose,
        input_bytes=sum(each.numel() * each.element_size() for each in different),
        forward_backward_bytes=2 * found.output_bytes(),
        parameter_bytes=sum(each.numel() * each.element_size() for each in params),
        buffer_bytes=sum(each.bytes for each in buffers),
    )


def _row(place: ModulePlace, found: _Numbers, totals: Totals, lazy: set[str], ran: bool) -> LayerRow:
    row = LayerRow(place.path, kind_of(place.module), place.depth)
    if place.first is not None:
        row.notes.append(f"shared with {place.first or 'the model itself'}")
        return row
    params = _drop_lazy(place.module.parameters())
    row.parameters = sum(each.numel() for each in params)
    row.trainable = sum(each.numel() for each in params if each.requires_grad)
    row.parameter_share = row.parameters / totals.parameters if totals.parameters else 0.0
    row.mult_adds = found.mult_adds(place.module) + (0 if place.path else found.loose)
    row.mult_add_share = row.mult_adds / totals.mult_adds if totals.mult_adds else 0.0
    calls = found.calls.get(id(place.module), [])
    row.calls = len(calls)
    if calls:
        row.output, row.shapes = calls[0].output, calls[0].shapes
    row.notes = _notes(place, calls, found, lazy, ran)
    return row


def _notes(place: ModulePlace, calls: list[Call], found: _Numbers, lazy: set[str], ran: bool) -> list[str]:
    notes = []
    if len(calls) > 1:
        different = list(dict.fromkeys(each.output for each in calls))
        notes.append(f"called {len(calls)} times" + (f": {', '.join(different[:4])}" if len(different) > 1 else ""))
    elif isinstance(place.module, torch.jit.ScriptModule):
        notes.append("scripted: its calls are not seen")
    elif ran and not calls and place.path and not _only_holds(place.module):
        own = list(place.module.parameters())
        used = any(id(each) in found.used for each in own)
        # Without weights it may be of training alone, as a loss is, and nothing is left untrained.
        never = "never called" if own else "not called for an answer"
        notes.append("not called by itself: the module round it uses its weights" if used else never)
    if place.path in lazy:
        notes.append("lazy" if ran else "lazy: its size is not known yet")
    for name, param in place.module._parameters.items():
        others = [each for each in found.tied.get(id(param), ()) if each != (f"{place.path}.{name}" if place.path else name)]
        if others:
            notes.append(f"{name} tied to {others[0]}")
    return notes + remarks(place.module)


def _only_holds(module: nn.Module) -> bool:
    """Lists and dictionaries of modules or parameters are not made to be called."""
    return isinstance(module, nn.ModuleList | nn.ModuleDict | nn.ParameterList | nn.ParameterDict)


def flow_of(trace: Trace) -> Flow:
    """The calls as a tree of nodes, and the edges between the innermost of them."""
    edges = [(source, each.number) for each in _every(trace.calls) if not each.children for source in each.sources]
    known = {each.number for each in _every(trace.calls)}
    ends = {number for edge in edges for number in edge}
    nodes = [_node(each) for each in trace.calls if each.kind != "input" or each.number in ends]
    return Flow(nodes, [edge for edge in dict.fromkeys(edges) if edge[0] in known])


def _node(call: Call) -> FlowNode:
    module = call.module
    kind = kind_of(module) if module is not None else ""
    parameters = sum(each.numel() for each in _drop_lazy(module.parameters())) if module is not None else 0
    return FlowNode(
        call.number, call.kind, call.name, kind, call.output, parameters, [_node(each) for each in call.children], guessed=call.guessed
    )

"""One forward pass watched: which modules were called in what order, on what, and whose results they were given."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils.weak import WeakIdKeyDictionary

from trainwright.config.errors import FOREIGN, ConfigError, RequestError
from trainwright.config.own_code import describe_failure
from trainwright.nn.compiled import run_plainly
from trainwright.tools.graph.arithmetic import arithmetic
from trainwright.tools.inspection.costs import function_cost, layer_cost, output_bytes
from trainwright.tools.inspection.places import is_leaf, kind_of, places
from trainwright.tools.inspection.shapes import describe_shapes, tensors_in

NEW = ("zeros_like", "ones_like", "empty_like", "full_like", "rand_like", "randn_like", "randint_like", "new_zeros", "new_ones", "new_full",
       "new_empty", "new_tensor", "size", "dim")  # fmt: skip
"""Functions whose result takes nothing but the shape from what they are given."""

NOTHING = -1
"""Where tensors are from that functions made of nothing."""


@dataclass
class Call:
    """One call of a module, or of a function that joins results of different modules."""

    number: int
    kind: str
    name: str
    module: nn.Module | None = None
    path: str = ""
    given: str = ""
    output: str = ""
    shapes: list[list[int]] = field(default_factory=list)
    sources: dict[int, None] = field(default_factory=dict)
    """Numbers of the calls whose results it was given, in order."""
    guessed: bool = False
    """Whether it was given a tensor that came out of something that cannot be watched, and is said to follow the call before it."""
    children: list[Call] = field(default_factory=list)
    mult_adds: int = 0
    output_bytes: int = 0

    def calls_modules(self) -> bool:
        """Whether modules were called in it."""
        return any(each.kind == "module" for each in self.children)


class Trace(TorchFunctionMode):
    """What happens while it is the active mode; hooks tell it of modules, the mode of functions.

    Where a tensor is from is kept by the tensor's identity, weakly, so that nothing is kept alive for it.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model
        self.names = {id(each.module): each.path for each in places(model) if each.first is None}
        self.calls: list[Call] = []
        """Everything at the top: inputs, the calls, the output."""
        self.inputs: dict[str, str] = {}
        self.used: set[int] = set()
        """Identities of the parameters that functions were given."""
        self._stack: list[Call] = []
        self._from: Any = WeakIdKeyDictionary()
        self._buffers = {id(each) for each in model.buffers()}
        self._last: int | None = None
        self._count = 0

    def _new(self, kind: str, name: str, **known: Any) -> Call:
        call = Call(self._count, kind, name, **known)
        self._count += 1
        (self._stack[-1].children if self._stack else self.calls).append(call)
        return call

    def _sources(self, tensors: Iterable[Tensor]) -> dict[int, None]:
        return {number: None for each in tensors if (number := self._from.get(each, NOTHING)) != NOTHING}

    def _is_unknown(self, tensor: Tensor) -> bool:
        """Whether it came out of something that tells nobody, as scripted modules and autograd functions do."""
        return tensor not in self._from and not isinstance(tensor, nn.Parameter) and id(tensor) not in self._buffers

    def _mark(self, value: Any, number: int) -> None:
        for each in tensors_in(value):
            if not isinstance(each, nn.Parameter):
                self._from[each] = number

    def give(self, tensors: Iterable[tuple[str, Tensor]]) -> None:
        """Name the tensors that the model is run on."""
        for name, tensor in tensors:
            if tensor not in self._from:
                call = self._new("input", name, output=describe_shapes(tensor))
                self._mark(tensor, call.number)
                self.inputs[name] = call.output
                self._last = call.number

    def end(self, result: Any) -> None:
        """Say what came out in the end."""
        sources = self._sources(tensors_in(result))
        if sources:
            self._new("output", "output", output=describe_shapes(result), sources=sources)

    def enter(self, module: nn.Module, given: tuple[Any, ...], named: Mapping[str, Any]) -> None:
        """A module is called."""
        values = [*given, *named.values()]
        path = self.names.get(id(module), "")
        known = {"module": module, "path": path, "given": ", ".join(describe_shapes(each) for each in values)}
        tensors = list(tensors_in(values))
        sources = self._sources(tensors)
        guessed = not sources and self._last is not None and any(map(self._is_unknown, tensors))
        if guessed and self._last is not None:
            sources = {self._last: None}
        call = self._new("module", path.rpartition(".")[2], sources=sources, guessed=guessed, **known)
        self._stack.append(call)

    def leave(self, module: nn.Module, given: tuple[Any, ...], named: Mapping[str, Any], output: Any) -> None:
        """A module has given its output."""
        while self._stack[-1].module is not module:  # calls that raised, and whose error was caught
            self._stack.pop()
        call = self._stack.pop()
        call.output = describe_shapes(output)
        call.shapes = [list(each.shape) for each in tensors_in(output)]
        cost = layer_cost(module, given, named, output)
        if cost is not None:
            call.mult_adds = cost
        if is_leaf(module) and any(True for _ in module.parameters()):
            call.output_bytes = output_bytes(output)
        if not call.calls_modules():
            call.children = []
            self._mark(output, call.number)
            self._last = call.number

    def __torch_function__(self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None) -> Any:
        named = kwargs or {}
        output = func(*args, **named)
        self._record(getattr(func, "__name__", ""), args, named, output)
        return output

    def _record(self, name: str, args: tuple[Any, ...], named: dict[str, Any], output: Any) -> None:
        made = args[0] if name == "__setitem__" else output
        results = list(tensors_in(made))
        if not results:
            return
        given = list(tensors_in([*args, *named.values()]))
        self.used.update(id(each) for each in given if isinstance(each, nn.Parameter))
        top = self._stack[-1] if self._stack else None
        if top is not None:
            top.mult_adds += function_cost(name, args, named, output)
        sources = {} if name in NEW else self._sources(given)
        if not sources:
            if not any(map(self._is_unknown, given)):
                self._mark(results, NOTHING)
            return
        inside = top is not None and top.module is not None and is_leaf(top.module)
        if len(sources) == 1 or inside:
            number = next(iter(sources))
        else:
            call = self._new("operation", name.strip("_"), output=describe_shapes(made), sources=sources)
            number = call.number
        self._mark(results, number)

    def explain(self, error: BaseException) -> ConfigError:
        """The error of a forward, with the innermost module that was running and what it was given."""
        call = self._stack[-1] if self._stack else None
        model = type(self.model).__name__
        said = describe_failure(error)
        if call is None or call.module is None:
            return ConfigError(
                "the forward pass fails", where=model, why=said, fix="give it an example that its forward takes, or change its forward"
            )
        kind = kind_of(call.module)
        place = f"'{call.path}' ({kind})" if call.path else kind
        why, fix = arithmetic(call.module, _tensors_of(error, call.module), {})
        before = self._before(call)
        after = f"; it comes after '{before.path or before.name}', which gives {before.output}" if before else ""
        fix = fix or f"give {place} what it takes: change the example, or what comes before it"
        return ConfigError(f"{place} cannot take {call.given}", where=model, why=(why or said) + after, fix=fix)

    def _before(self, call: Call) -> Call | None:
        source = next(iter(call.sources), None)
        return next((each for each in _all(self.calls) if each.number == source and each.kind == "module"), None)


def _all(calls: Iterable[Call]) -> Iterator[Call]:
    for each in calls:
        yield each
        yield from _all(each.children)


def _tensors_of(error: BaseException, module: nn.Module) -> list[Tensor]:
    """The tensors that the failing forward was given, from its frame."""
    trace, found = error.__traceback__, list[Tensor]()
    while trace is not None:
        code, values = trace.tb_frame.f_code, trace.tb_frame.f_locals
        if values.get("self") is module and code.co_name == "forward":
            given = (values.get(name) for name in code.co_varnames[1 : code.co_argcount])
            found = [each for each in given if isinstance(each, Tensor)]
        trace = trace.tb_next
    return found


@contextmanager
def hook_modules(trace: Trace) -> Iterator[None]:
    """Every module tells the trace of its calls; all hooks are removed afterwards."""
    handles = []
    try:
        for place in places(trace.model):
            if place.first is None and not isinstance(place.module, torch.jit.ScriptModule):  # those take no hooks
                # First in, last out: what a person's own hooks change is seen as the modules see it.
                handles.append(place.module.register_forward_pre_hook(trace.enter, with_kwargs=True))
                handles.append(place.module.register_forward_hook(trace.leave, with_kwargs=True))
        yield
    finally:
        for each in handles:
            each.remove()


def trace_call(model: nn.Module, call: Callable[[nn.Module], Any], inputs: Iterable[tuple[str, Tensor]]) -> Trace:
    """Run `call` once and watch the model; raises ConfigError that names the module and the shapes where it fails."""
    trace = Trace(model)
    trace.give(inputs)
    with hook_modules(trace):
        try:
            with run_plainly(), trace:
                result = call(model)
        except RequestError:
            raise
        except FOREIGN as error:  # whatever a person's forward raises is the answer
            raise trace.explain(error) from error
    trace.end(result)
    return trace

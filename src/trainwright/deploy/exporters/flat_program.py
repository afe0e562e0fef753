"""A program of torch.export as one function of tensors, in source: weights, constants and inputs are its arguments."""

from __future__ import annotations

import math
import operator
import textwrap
from collections.abc import Iterable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import torch
from torch import Tensor
from torch.export.graph_signature import InputKind
from torch.utils import _pytree as pytree

from trainwright.config.errors import RequestError

WHERE = "--to fx_folder"
BUILT_IN = ("aten", "prims", "prim", "profiler")
"""Families of operators that torch itself has."""
NOT_WRITTEN = ("inf", "nan", "NoneType", "torch", "device", "fx_pytree", "pytree")
"""Names that every graph brings; those that its source uses are imported by these lines."""
LINES = {"inf": "from math import inf", "nan": "from math import nan", "device": "from torch import device"}


@dataclass
class FlatProgram:
    """The source of a program, and what it takes."""

    compute: str
    """A method `compute(self, state…, inputs…)`, indented as one of a class."""
    imports: list[str]
    state: dict[str, str]
    """Argument → name of its tensor."""
    tensors: dict[str, Tensor]
    trained: set[str]
    inputs: list[str]
    outputs: list[str]


def flatten(program: Any) -> FlatProgram:
    """The source of a `torch.export.ExportedProgram`; raises RequestError for what has no form in files."""
    _refuse_foreign(program.graph_module)
    held = [each for each in program.graph_signature.input_specs if each.kind is not InputKind.USER_INPUT]
    _refuse_kinds(each.kind for each in held)
    values = {**program.state_dict, **program.constants}
    state = {each.arg.name: str(each.target) for each in held}
    _refuse_layouts({name: values[name] for name in state.values()})
    code = program.graph_module.graph.python_code("self")
    source = code.src.strip().replace("def forward(", "def compute(", 1)
    return FlatProgram(
        compute=textwrap.indent(source, "    "),
        imports=_imports(code.globals, source),
        state=state,
        tensors={name: values[name].detach().contiguous() for name in state.values()},
        trained={each.arg.name for each in held if each.kind is InputKind.PARAMETER and values[each.target].requires_grad},
        inputs=_names(program.call_spec.in_spec, inputs=True),
        outputs=_names(program.call_spec.out_spec),
    )


def _names(spec: Any, inputs: bool = False) -> list[str]:
    """The names of the tensors of a mapping, in the order in which a graph has them."""
    places = pytree.tree_unflatten(list(range(spec.num_leaves)), spec)
    mapping = places[0][0] if inputs else places
    return sorted(mapping, key=mapping.__getitem__)


def _imports(names: dict[str, Any], source: str) -> list[str]:
    """The lines that bring what the source names."""
    found = [line for name, line in LINES.items() if name in source]
    for name, value in names.items():
        if name in NOT_WRITTEN:
            continue
        home = next((each for each in (operator, math, torch) if getattr(each, getattr(value, "__name__", ""), None) is value), None)
        if isinstance(value, ModuleType) and value.__name__ in ("operator", "math"):
            found.append(f"import {value.__name__}" + ("" if name == value.__name__ else f" as {name}"))
        elif home is not None:
            found.append(f"from {home.__name__} import {value.__name__} as {name}")
        else:
            raise _refusal(f"the graph needs {value!r}", "it is no function of torch, math or operator")
    return sorted(found)


def _refuse_foreign(graph: Any) -> None:
    """Raise RequestError for what is not one of torch's own operators."""
    if any(graph.children()):
        raise _refusal("the graph has branches or loops (torch.cond, torch.map, scan)", "each is a graph within the graph")
    for node in graph.graph.nodes:
        family = getattr(node.target, "namespace", "aten")
        if node.op == "call_function" and family not in BUILT_IN:
            raise _refusal(f"the operator {node.target} is not torch's own", f"a folder would run only where '{family}' is loaded")


def _refuse_kinds(kinds: Iterable[Any]) -> None:
    for kind in kinds:
        if kind not in (InputKind.PARAMETER, InputKind.BUFFER, InputKind.CONSTANT_TENSOR):
            raise _refusal("the program holds an object that is no tensor", f"it is {kind.name.lower()}, which would be pickled")


def _refuse_layouts(tensors: dict[str, Tensor]) -> None:
    for name, each in tensors.items():
        if each.layout is not torch.strided or each.is_quantized or type(each) not in (Tensor, torch.nn.Parameter):
            raise _refusal(f"'{name}' is a tensor of the class {type(each).__name__}, {each.layout}", "safetensors holds plain ones")


def _refusal(what: str, why: str) -> RequestError:
    return RequestError(what, where=WHERE, why=why, fix="export it as pt2 or onnx")

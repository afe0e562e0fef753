"""A program of torch.export as an ONNX model: inputs, outputs and axes by their names, and what is needed to serve it beside it."""

from __future__ import annotations

import ast
import contextlib
import io
import json
import logging
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

from torch.utils import _pytree as pytree

from trainwright.config.errors import FOREIGN, RequestError
from trainwright.config.own_code import describe_failure
from trainwright.domains.deliverable import ROWS, Deliverable

WITHOUT = "export the model as it is, without --to"
METADATA = "trainwright"
"""The key of an ONNX model's metadata under which a host finds how columns are read."""


def convert(program: Any, deliverable: Deliverable, codes: Mapping[str, str], opset: int, functions: Mapping[Any, Any]) -> Any:
    """The `onnx.ModelProto` of a traced deliverable; `codes`: what the graph calls inputs whose numbers a table in front of it gives.

    Raises RequestError for an operation that ONNX has no function for.
    """
    import torch

    inputs = [codes.get(name, name) for name in _names(program.call_spec.in_spec)]
    outputs = _names(program.call_spec.out_spec)
    try:
        with _quietly():
            made = torch.onnx.export(
                program,
                dynamo=True,
                verbose=False,
                opset_version=opset,
                input_names=inputs,
                output_names=outputs,
                custom_translation_table=dict(functions),
            )
    except FOREIGN as error:  # the exporter raises whatever it met
        raise _refuse(error) from error
    if made is None:
        raise RequestError("this network became no ONNX model", where="--to onnx", fix="export it as pt2")
    return made.model_proto


def _names(spec: Any) -> list[str]:
    """The names of the tensors in the order that the graph has them."""
    count = spec.num_leaves
    found: list[str] = [""] * count
    for path, place in pytree.tree_flatten_with_path(pytree.tree_unflatten(list(range(count)), spec))[0]:
        last: Any = path[-1]
        found[place] = str(last.key)
    return found


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """Without what the exporter prints of its steps, and of libraries that are not installed."""
    log = logging.getLogger("torch.onnx")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(level)


def _refuse(error: BaseException) -> RequestError:
    """The words for what the exporter raised: of a chain of errors the first, which names the operation."""
    first = error
    while first.__cause__ is not None:
        first = first.__cause__
    why = " ".join(describe_failure(first).split())[:300]
    return RequestError("this network has an operation that ONNX lacks", where="--to onnx", why=why, fix="export it as pt2")


def name_axes(model: Any, deliverable: Deliverable, codes: Mapping[str, str], accepted: Mapping[str, int]) -> dict[str, int]:
    """Call each axis of any size by its name, in inputs and outputs; those that the graph holds to one size are given back.

    Raises RequestError for one that is held to another size than is accepted for it.
    """
    fixed: dict[str, int] = {}
    graph = {each.name: each for each in model.graph.input}
    names: dict[str, str] = {}
    for given in deliverable.inputs:
        dims = graph[codes.get(given.name, given.name)].type.tensor_type.shape.dim
        for axis, dim in zip(given.axes, dims, strict=True):
            if not isinstance(axis, str):
                continue
            if not dim.dim_param and dim.dim_value == accepted.get(axis):
                fixed[axis] = dim.dim_value
                continue
            if not dim.dim_param:
                what = f"the axis {axis} of '{given.name}' became fixed at {dim.dim_value}"
                why = "an operation of the network looks at its size"
                raise RequestError(what, where="--to onnx", why=why, fix=f"--fixed {axis} accepts it" if axis != ROWS else WITHOUT)
            names[dim.dim_param] = axis
    for value in [*model.graph.input, *model.graph.output]:
        for dim in value.type.tensor_type.shape.dim:
            if dim.dim_param in names:
                dim.dim_param = names[dim.dim_param]
    del model.graph.value_info[:]  # inner shapes that mention the old names; a runtime finds them itself
    return fixed


def scopes_of(graph: Any) -> dict[str, str]:
    """Path of a module → the first output of its last operation, as the exporter noted them."""
    found: dict[str, str] = {}
    for node in graph.node:
        noted = {each.key: each.value for each in node.metadata_props}.get("pkg.torch.onnx.name_scopes", "[]")
        for path in ast.literal_eval(noted)[:-1]:  # the last one is the operation
            found[path] = node.output[0]
    return found


def strip(graph: Any) -> None:
    """Take away where in whose code each operation was: paths of this machine, and most of the file."""
    for node in graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
        for attribute in node.attribute:
            for inner in [*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs]:
                strip(inner)
    for value in [*graph.input, *graph.output, *graph.initializer]:
        del value.metadata_props[:]
    del graph.metadata_props[:]


def describe_in(model: Any, described: Mapping[str, Any]) -> None:
    """Put the description of columns and outputs into the model's metadata."""
    del model.metadata_props[:]
    model.metadata_props.add(key=METADATA, value=json.dumps(described, ensure_ascii=False))

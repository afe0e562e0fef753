"""What stops a trace, in words, with the line of code and what helps."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from torch import nn

from trainwright.config.errors import RequestError
from trainwright.config.own_code import describe_failure
from trainwright.deploy.tracing.watching import Line, Watched, line_of_error

if TYPE_CHECKING:
    from torch.export import ExportedProgram

    from trainwright.domains.deliverable import Deliverable

FIXED = re.compile(r"You marked L\['[^']*'\]\[['\"](.*?)['\"]\]\.size\(\)\[(\d+)\].*?constant \((\d+)\)")
DATA_DEPENDENT = ("Could not guard on data-dependent", "Data-dependent branching", "Could not extract specialized integer")
READ_OUT = (".numpy() is not supported", "Cannot access data pointer", "Tensor.numpy", "can't convert")
AS_IT_IS = "export the model as it is: --to safetensors"


def explain_failure(error: BaseException, deliverable: Deliverable, watched: Watched, unrolls: bool) -> RequestError:
    """What stopped it: a size that became fixed, a branch on values, values that leave the graph, or whatever else torch says."""
    said, line = str(error), line_of_error(error)
    fixed = FIXED.search(said)
    if fixed is not None:
        return _size_became_fixed(deliverable, fixed[1], int(fixed[2]), int(fixed[3]), watched, unrolls)
    where = str(line) if line is not None else "the network of this run"
    what = "the model cannot be traced"
    if any(each in said for each in DATA_DEPENDENT):
        why = "it decides, cuts or counts by values that are known only when rows come"
        fix = f"say it with tensors: torch.where(condition, a, b) or masks in place of `if`, .item() and int(…); or {AS_IT_IS}"
    elif any(each in said for each in READ_OUT):
        why = "values leave the graph of tensors here (numpy, lists, data pointers)"
        fix = f"compute it with functions of torch; or {AS_IT_IS}"
    else:
        why, fix = describe_failure(error)[:300], AS_IT_IS
    return RequestError(what, where=where, why=why, fix=fix)


def _size_became_fixed(deliverable: Deliverable, name: str, place: int, size: int, watched: Watched, unrolls: bool) -> RequestError:
    given = next((each for each in deliverable.inputs if each.name == name), None)
    axis = given.axes[place] if given is not None and place < len(given.axes) else place
    line = watched.last
    where = str(line) if line is not None else f"input '{name}'"
    what = f"the axis '{axis}' of '{name}' became fixed at {size}, which is its size in an example"
    if axis == "rows":
        fix = f"write -1 or x.shape[0] in place of a number of rows; or {AS_IT_IS}"
        return RequestError(what, where=where, why="the code is for that many rows alone", fix=fix)
    fix = f"--fixed {axis}=SIZE accepts rows of that size alone"
    if unrolls and any(isinstance(each, nn.RNNBase) for each in deliverable.module.modules()):
        why = "torch unrolls recurrent layers over the steps of an example, and ONNX does not"
        return RequestError(what, where=where, why=why, fix=f"--to onnx keeps it of any size; {fix}")
    why = "the code, or an operator that it calls, is for one size alone"
    return RequestError(what, where=where, why=why, fix=f"{fix}; or {AS_IT_IS}")


def refuse_limits(program: ExportedProgram, deliverable: Deliverable, watched: Watched) -> None:
    """Raise RequestError for an axis that the graph takes only up to some size: rows beyond it would fail when the model is in use."""
    for given, node in zip(deliverable.inputs, placeholders(program), strict=True):
        shape: Any = node.meta["val"].shape
        for axis, size in zip(given.axes, shape, strict=True):
            if not isinstance(axis, str) or axis in deliverable.guessed or isinstance(size, int):
                continue
            found = program.range_constraints.get(size.node.expr)
            if found is not None and str(found.upper) != "int_oo":
                raise _limited(given.name, axis, str(found.upper), size, watched)


def placeholders(program: ExportedProgram) -> list[Any]:
    """The nodes of what the graph takes, in the order of the deliverable's inputs."""
    named = set(program.graph_signature.user_inputs)
    return [node for node in program.graph.nodes if node.op == "placeholder" and node.name in named]


def _limited(name: str, axis: str, most: str, size: Any, watched: Watched) -> RequestError:
    symbol = re.compile(rf"\b{re.escape(str(size))}\b")
    line: Line | None = next((line for asked, line in watched.asked if symbol.search(asked)), None)
    what = f"the model was traced for at most {most} along the axis '{axis}' of '{name}'"
    where = str(line) if line is not None else f"input '{name}'"
    why = "the code asks how large it is and goes another way"
    return RequestError(what, where=where, why=why, fix=f"--fixed {axis}=SIZE accepts rows of that size alone; or {AS_IT_IS}")


def refuse_guard(said: str, watched: Watched) -> RequestError:
    """The refusal of a graph that holds for some sizes alone, at the line that asked last how large something is."""
    line = next((line for asked, line in reversed(watched.asked) if asked.startswith("Eq(")), None)
    what = "the model was traced for some sizes alone, and rows of others are refused by what was made"
    why = f"a loop or a piece of code is for so many steps: {said.removeprefix('Guard failed: ')[:160]}"
    fix = f"--fixed AXIS=SIZE accepts rows of one size alone; or {AS_IT_IS}"
    return RequestError(what, where=str(line) if line is not None else "the network of this run", why=why, fix=fix)

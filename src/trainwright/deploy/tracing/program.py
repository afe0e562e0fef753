"""A deliverable as a graph of torch's operators, for any number of rows and every size of its dynamic axes, or a refusal in words."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, redirect_stderr
from typing import TYPE_CHECKING, Any

import jaxtyping
import torch

from trainwright.config.errors import FOREIGN, RequestError, TrainwrightError, did_you_mean
from trainwright.deploy.tracing.functions import REPLACED
from trainwright.deploy.tracing.recurrent import Form, padded_layers
from trainwright.deploy.tracing.refusals import explain_failure, placeholders, refuse_guard, refuse_limits
from trainwright.deploy.tracing.watching import Watched, watch_sizes
from trainwright.domains.deliverable import ROWS, distinct_sizes
from trainwright.engine.surroundings import without_fast_path

if TYPE_CHECKING:
    from torch.export import ExportedProgram

    from trainwright.domains.deliverable import Deliverable

Sizes = Mapping[str, int]


def trace_program(deliverable: Deliverable, fixed: Sizes | None = None, recurrent: Form = "onnx") -> ExportedProgram:
    """The graph of a model in evaluation mode; axes that are named in `fixed` have that size alone, all others any size.

    `recurrent` says what LSTM, GRU and RNN become: an operator of Trainwright's that `translations` knows in ONNX, or torch's own, which
    has a fixed number of steps. Raises RequestError where the model cannot be traced, or is only for some sizes, naming the line.
    """
    sizes = dict(fixed or {})
    check_fixed(deliverable, sizes)
    module, example = deliverable.module.eval(), deliverable.example(sizes)
    with watch_sizes() as watched, redirect_stderr(io.StringIO()), torch.no_grad(), as_exported(recurrent):
        try:
            program = torch.export.export(module, (example,), dynamic_shapes=(dynamic_axes(deliverable, sizes),))
        except TrainwrightError:
            raise
        except FOREIGN as error:  # torch raises whatever it met
            raise explain_failure(error, deliverable, watched, unrolls=recurrent == "torch") from error
    refuse_limits(program, deliverable, watched)
    try_other_sizes(program, deliverable, sizes, watched, rows=1 if recurrent == "torch" else 2)
    return program


def try_other_sizes(program: ExportedProgram, deliverable: Deliverable, fixed: Sizes, watched: Watched, rows: int) -> None:
    """Raise RequestError where the graph does not take other rows than its example: a loop over steps may be frozen in it in silence."""
    free = {axis: size for axis, size in deliverable.usual.items() if axis not in deliverable.guessed}
    longer = distinct_sizes({axis: 2 * size + 1 for axis, size in free.items()})
    example = deliverable.example({**longer, ROWS: rows, **fixed})
    try:
        with torch.no_grad():
            program.module()(example)
    except AssertionError as error:
        if "Guard failed" not in str(error):
            raise
        raise refuse_guard(str(error), watched) from error


@contextmanager
def as_exported(recurrent: Form) -> Iterator[None]:
    """Recurrent layers keep their lengths, transformers are as in evaluations, annotations unchecked: a symbol of a size is no `int`."""
    unchecked = jaxtyping.config.jaxtyping_disable
    jaxtyping.config.update("jaxtyping_disable", True)
    try:
        with ExitStack() as stack:
            stack.enter_context(without_fast_path())
            for owner, name, made in (*padded_layers(recurrent), *REPLACED):
                stack.enter_context(_in_place(owner, name, made))
            yield
    finally:
        jaxtyping.config.update("jaxtyping_disable", unchecked)


@contextmanager
def _in_place(owner: Any, name: str, made: Any) -> Iterator[None]:
    """Another attribute inside; what has none of its own has none again."""
    before = vars(owner).get(name)
    setattr(owner, name, made)
    try:
        yield
    finally:
        if before is None:
            delattr(owner, name)
        else:
            setattr(owner, name, before)


def dynamic_axes(deliverable: Deliverable, fixed: Sizes) -> dict[str, Any]:
    """Input → its axes that may be of any size, as `torch.export` takes them."""
    free, found = torch.export.Dim.DYNAMIC, torch.export.Dim.AUTO
    return {
        given.name: {
            place: found if axis in deliverable.guessed else free
            for place, axis in enumerate(given.axes)
            if isinstance(axis, str) and axis not in fixed
        }
        for given in deliverable.inputs
    }


def axes_found(program: ExportedProgram, deliverable: Deliverable) -> dict[str, int | None]:
    """Axis → its size where the graph has it fixed, None where it may be of any size."""
    found: dict[str, int | None] = {}
    for given, node in zip(deliverable.inputs, placeholders(program), strict=True):
        for axis, size in zip(given.axes, node.meta["val"].shape, strict=True):
            if isinstance(axis, str):
                found[axis] = size if isinstance(size, int) else size.node.maybe_as_int()  # a symbol that became a number is none
    return found


def check_fixed(deliverable: Deliverable, fixed: Sizes) -> None:
    """Raise RequestError for a name that no dynamic axis has, and for a size that no axis can have."""
    known = list(dict.fromkeys(axis for given in deliverable.inputs for axis in given.axes if isinstance(axis, str)))
    for name, size in fixed.items():
        if name not in known:
            fix = did_you_mean(name, known) or f"its dynamic axes: {', '.join(known)}"
            raise RequestError(f"this model has no dynamic axis '{name}'", where=f"--fixed {name}", fix=fix)
        if size < 1:
            raise RequestError(f"the axis '{name}' cannot have {size} entries", where=f"--fixed {name}={size}", fix="give 1 or more")

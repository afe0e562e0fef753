"""A deliverable as a graph of torch's operators, for any number of rows and every size of its dynamic axes, or a refusal in words."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stderr
from typing import TYPE_CHECKING, Any

import jaxtyping
import torch

from trainwright.config.errors import FOREIGN, RequestError, TrainwrightError, did_you_mean
from trainwright.deploy.tracing.recurrent import Form, padded_layers
from trainwright.deploy.tracing.refusals import explain_failure, refuse_limits
from trainwright.deploy.tracing.watching import watch_sizes

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
    return program


@contextmanager
def as_exported(recurrent: Form) -> Iterator[None]:
    """Recurrent layers that keep their lengths, and torch's transformer as it is written: its fast path writes zeros over padding.

    Checks of annotations are off: sizes that are symbols are no `int`.
    """
    fast, unchecked = torch.backends.mha.get_fastpath_enabled(), jaxtyping.config.jaxtyping_disable
    torch.backends.mha.set_fastpath_enabled(False)
    jaxtyping.config.update("jaxtyping_disable", True)
    try:
        with padded_layers(recurrent):
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
        jaxtyping.config.update("jaxtyping_disable", unchecked)


def dynamic_axes(deliverable: Deliverable, fixed: Sizes) -> dict[str, Any]:
    """Input → its axes that may be of any size, as `torch.export` takes them."""
    free = torch.export.Dim.DYNAMIC
    return {
        given.name: {place: free for place, axis in enumerate(given.axes) if isinstance(axis, str) and axis not in fixed}
        for given in deliverable.inputs
    }


def check_fixed(deliverable: Deliverable, fixed: Sizes) -> None:
    """Raise RequestError for a name that no dynamic axis has, and for a size that no axis can have."""
    known = list(dict.fromkeys(axis for given in deliverable.inputs for axis in given.axes if isinstance(axis, str)))
    for name, size in fixed.items():
        if name not in known:
            fix = did_you_mean(name, known) or f"its dynamic axes: {', '.join(known)}"
            raise RequestError(f"this model has no dynamic axis '{name}'", where=f"--fixed {name}", fix=fix)
        if size < 1:
            raise RequestError(f"the axis '{name}' cannot have {size} entries", where=f"--fixed {name}={size}", fix="give 1 or more")

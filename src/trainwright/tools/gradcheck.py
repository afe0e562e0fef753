"""Gradients of one's own operations compared with finite differences: whether they are right, and if not, where."""

from __future__ import annotations

import inspect
import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from trainwright.config.errors import FOREIGN, ConfigError, TrainwrightError, did_you_mean
from trainwright.tools.inspection.shapes import tensors_in

TOLERANCES: dict[torch.dtype, tuple[float, float, float]] = {
    torch.float64: (1e-6, 1e-5, 1e-3),
    torch.complex128: (1e-6, 1e-5, 1e-3),
    torch.float32: (1e-2, 1e-2, 1e-2),
    torch.complex64: (1e-2, 1e-2, 1e-2),
}
"""Step of the differences, absolute and relative tolerance by dtype; those of float64 are torch's."""


@dataclass(frozen=True)
class GradientDifference:
    """How far the gradient of one input is from finite differences, and where it is furthest."""

    name: str
    shape: tuple[int, ...]
    largest: float
    """Largest absolute difference of an element of the Jacobian; NaN where one of both is not finite."""
    element: tuple[int, ...]
    """Of the input, where it is furthest."""
    output: str
    """The element of the output there, for example `[0, 2]`, or `1[0, 2]` of the second output."""
    analytical: float
    numerical: float


@dataclass(frozen=True)
class GradientVerdict:
    """What the comparison found."""

    right: bool
    differences: list[GradientDifference]
    """By input, in order."""
    complaint: str = ""
    """torch's own words when it is wrong."""
    second: bool = False
    """Whether the second derivatives were compared too."""


def check_gradients(
    function: Callable[..., Any],
    inputs: Mapping[str, Tensor],
    *,
    second: bool = False,
    eps: float | None = None,
    atol: float | None = None,
    rtol: float | None = None,
) -> GradientVerdict:
    """Compare the gradients of `function(*inputs)` by every input that requires one with central differences (torch.autograd.gradcheck).

    `second` compares those of the gradients too. Raises ConfigError when the function cannot be called with the inputs, or gives nothing
    that depends on them.
    """
    copies = {name: value.detach().contiguous().clone().requires_grad_(value.requires_grad) for name, value in inputs.items()}
    given = list(copies.values())
    checked = {name: value for name, value in copies.items() if value.requires_grad}
    if not checked:
        raise ConfigError("no input requires a gradient", fix="give an input of floating or complex numbers")
    for name, value in checked.items():
        if value.dtype not in TOLERANCES:
            shown = str(value.dtype).removeprefix("torch.")
            raise ConfigError(f"gradients are not checked in {shown}", where=name, fix="give float64: differences need its digits")
    function = _on_copies(function)
    outputs = _outputs(function, given)
    if not any(each.requires_grad for each in outputs):
        raise ConfigError("no output depends on the inputs by a gradient", why="the graph is cut", fix="do not detach, or return a float")
    default = TOLERANCES[max((each.dtype for each in checked.values()), key=lambda dtype: TOLERANCES[dtype][0])]
    step, absolute, relative = (own if own is not None else usual for own, usual in zip((eps, atol, rtol), default, strict=True))
    complaint = _complaint(partial(torch.autograd.gradcheck, function, given, eps=step, atol=absolute, rtol=relative))
    differences = _differences(function, given, checked, step)
    if second and not complaint:
        complaint = _complaint(partial(torch.autograd.gradgradcheck, function, given, eps=step, atol=absolute, rtol=relative))
        complaint = f"second derivatives: {complaint}" if complaint else ""
    return GradientVerdict(not complaint, differences, complaint, second)


def _on_copies(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function given copies, which it may change in place, and giving a flat tuple of the tensors that it gives."""

    def call(*values: Tensor) -> Any:
        found = function(*(value.clone() for value in values))
        flat = tuple(tensors_in(found))
        return flat[0] if len(flat) == 1 else flat or found

    return call


def _outputs(function: Callable[..., Any], given: Sequence[Tensor]) -> list[Tensor]:
    try:
        out = function(*given)
    except FOREIGN as error:
        shapes = ", ".join("×".join(map(str, each.shape)) or "()" for each in given)
        why = f"{type(error).__name__}: {error}"
        raise ConfigError(f"it cannot be called with inputs of shape {shapes}", why=why, fix="give the shapes it takes") from error
    found = [each for each in (out if isinstance(out, tuple | list) else [out]) if isinstance(each, Tensor)]
    if not found:
        raise ConfigError("it gives no tensor", why=f"it gives {type(out).__name__}")
    return [each for each in found if each.is_floating_point() or each.is_complex()]


def _complaint(check: Callable[[], bool]) -> str:
    """What torch says against it, in a few lines, or nothing."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that single precision is not enough: the tolerances here take it into account
        try:
            check()
        except FOREIGN as error:  # whatever backward raises is the verdict
            return _shorten(error)
    return ""


def _shorten(error: BaseException) -> str:
    """The words without the Jacobians that torch prints."""
    text = str(error).partition("numerical:")[0].strip().rstrip(",")
    lines = [line.strip() for line in text.splitlines() if line.strip()] or [type(error).__name__]
    return " ".join(lines[:2]) if isinstance(error, RuntimeError) else f"{type(error).__name__}: {lines[0]}"


def _differences(function: Callable[..., Any], given: list[Tensor], checked: Mapping[str, Tensor], eps: float) -> list[GradientDifference]:
    try:
        return [_difference(function, given, name, value, eps) for name, value in checked.items()]
    except FOREIGN as error:
        why = f"{type(error).__name__}: {error}"
        raise TrainwrightError("its backward fails", why=why, fix="backward gives one gradient, or None, for every input") from error


def _difference(function: Callable[..., Any], given: list[Tensor], name: str, value: Tensor, eps: float) -> GradientDifference:
    outputs = _outputs(function, given)
    worst = GradientDifference(name, tuple(value.shape), 0.0, (), "", 0.0, 0.0)
    numerical = _numerical(function, given, value, eps, outputs)
    for place, output in enumerate(outputs):
        analytical = _analytical(output, value)
        apart = (analytical - numerical[place]).abs()
        apart = torch.where(apart.isfinite(), apart, torch.full_like(apart, math.inf))
        if not apart.numel() or (worst.element and float(apart.max()) <= worst.largest):
            continue
        row, column = divmod(int(apart.argmax()), value.numel())
        found, expected = float(analytical[row, column].real), float(numerical[place][row, column].real)
        element = _element(column, value)
        where = f"{place if len(outputs) > 1 else ''}{list(_element(row, output))}"
        worst = GradientDifference(name, tuple(value.shape), float(apart.max()), element, where, found, expected)
    return worst


def _analytical(output: Tensor, value: Tensor) -> Tensor:
    """The Jacobian (outputs, inputs) as backward gives it; of real parts where numbers are complex."""
    rows = []
    flat = torch.view_as_real(output).sum(-1).reshape(-1) if output.is_complex() else output.reshape(-1)
    for each in flat:
        grad = torch.autograd.grad(each, value, retain_graph=True, allow_unused=True)[0] if output.requires_grad else None
        rows.append(torch.zeros(value.numel(), dtype=value.dtype) if grad is None else grad.to_dense().reshape(-1).detach().clone())
    return _real(torch.stack(rows)) if rows else torch.zeros(0, value.numel())


@torch.no_grad()
def _numerical(function: Callable[..., Any], given: list[Tensor], value: Tensor, eps: float, outputs: list[Tensor]) -> list[Tensor]:
    """The Jacobians (outputs, inputs) by central differences; of real parts where numbers are complex."""
    columns: list[list[Tensor]] = [[] for _ in outputs]
    flat = value.detach().reshape(-1)
    for place in range(flat.numel()):
        kept = flat[place].clone()
        flat[place] = kept + eps
        above = [_sum_up(each).clone() for each in _outputs(function, given)]
        flat[place] = kept - eps
        below = [_sum_up(each).clone() for each in _outputs(function, given)]
        flat[place] = kept
        for column, high, low in zip(columns, above, below, strict=True):
            column.append((high - low) / (2 * eps))
    return [torch.stack(column, dim=1) if column else torch.zeros(0, 0) for column in columns]


def _sum_up(output: Tensor) -> Tensor:
    return torch.view_as_real(output).sum(-1).reshape(-1) if output.is_complex() else output.detach().reshape(-1)


def _real(jacobian: Tensor) -> Tensor:
    return jacobian.real if jacobian.is_complex() else jacobian


def _element(place: int, tensor: Tensor) -> tuple[int, ...]:
    return tuple(int(each) for each in torch.unravel_index(torch.tensor(place), tensor.shape)) if tensor.dim() else ()


def callable_of(made_from: Any, arguments: Mapping[str, Any], dtype: torch.dtype) -> tuple[Callable[..., Any], dict[str, Tensor]]:
    """What is called with the inputs, and the parameters that are checked beside them, by name, to be given after the inputs.

    `made_from` is an autograd.Function (its `apply`), a module class or a maker of one (made with `arguments`), a module, or a function
    (called with `arguments` by keyword). Raises ConfigError for arguments that do not fit.
    """
    if isinstance(made_from, type) and issubclass(made_from, torch.autograd.Function):
        return _apply(made_from, arguments), {}
    module = made_from
    if isinstance(made_from, type):
        _bind(made_from, arguments)
        module = made_from(**arguments)
    if isinstance(module, nn.Module):
        return _call_with(module.to(dtype))
    _ensure_known(module, arguments)
    return partial(module, **arguments), {}


def _bind(made_from: Callable[..., Any], arguments: Mapping[str, Any]) -> None:
    try:
        inspect.signature(made_from).bind(**arguments)
    except TypeError as error:
        _ensure_known(made_from, arguments)
        name = getattr(made_from, "__name__", str(made_from))
        raise ConfigError(f"{name} cannot be made so", why=str(error), fix="give its arguments as name=value") from error


def _ensure_known(function: Callable[..., Any], arguments: Mapping[str, Any]) -> None:
    parameters = inspect.signature(function).parameters
    if any(each.kind is each.VAR_KEYWORD for each in parameters.values()):
        return
    for name in arguments:
        if name not in parameters:
            raise ConfigError(f"it takes no argument '{name}'", fix=did_you_mean(name, parameters))


def _call_with(module: nn.Module) -> tuple[Callable[..., Any], dict[str, Tensor]]:
    parameters = {name: value for name, value in module.named_parameters() if value.requires_grad and value.dtype in TOLERANCES}
    names = list(parameters)

    def call(*values: Any) -> Any:
        inputs, own = values[: len(values) - len(names)], values[len(values) - len(names) :]
        return torch.func.functional_call(module, dict(zip(names, own, strict=True)), inputs)

    return call, {name: value.detach().clone().requires_grad_() for name, value in parameters.items()}


def _apply(made_from: type[torch.autograd.Function], arguments: Mapping[str, Any]) -> Callable[..., Any]:
    """`apply` with named arguments put where forward has them: it takes none by keyword."""
    names = list(inspect.signature(made_from.forward).parameters)
    if made_from.setup_context is torch.autograd.Function.setup_context:
        names = names[1:]  # the context
    for name in arguments:
        if name not in names:
            raise ConfigError(f"forward of {made_from.__name__} takes no argument '{name}'", fix=did_you_mean(name, names))

    apply: Any = made_from.apply

    def call(*values: Any) -> Any:
        rest = iter(values)
        placed = [arguments[name] if name in arguments else next(rest, None) for name in names[: len(values) + len(arguments)]]
        return apply(*placed, *rest)

    return call

"""Averages of whole models: one moving average by hand, and the equal average of several sets of weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from trainwright.config.errors import RequestError


class UnlikeModels(RequestError, ValueError):
    """Models or sets of weights that cannot be averaged with each other, or a decay outside 0 to 1."""


@torch.no_grad()
def ema_update(model: nn.Module, averaged_model: nn.Module, decay: float | Tensor) -> None:
    """Move `averaged_model` towards `model` after an optimizer step: parameters decay · average + (1 − decay) · value, buffers copied.

    `decay` is a number, or a scalar tensor on the parameters' device, which is not read back. The average keeps its own dtypes: keep it in
    float32 when the model is in half precision, where small changes would be lost. Raises UnlikeModels (a ValueError) when names or shapes
    differ, or for a decay outside 0 to 1.
    """
    if not isinstance(decay, Tensor):
        check_decay(decay)
    values, averages = dict(model.named_parameters()), dict(averaged_model.named_parameters())
    check_alike("parameter", values, averages, "the averaged model")
    buffers, copies = dict(model.named_buffers()), dict(averaged_model.named_buffers())
    check_alike("buffer", buffers, copies, "the averaged model")
    floating = [name for name, each in averages.items() if each.is_floating_point() or each.is_complex()]
    move([averages[name] for name in floating], [values[name] for name in floating], decay)
    whole = [name for name in averages if not (averages[name].is_floating_point() or averages[name].is_complex())]
    copy([averages[name] for name in whole] + list(copies.values()), [values[name] for name in whole] + [buffers[name] for name in copies])


def check_decay(decay: float) -> None:
    """Raise UnlikeModels (a ValueError) for a decay outside 0 to 1."""
    if not 0 <= decay <= 1:
        raise UnlikeModels(f"the decay is {decay}", why="a moving average keeps a share of itself", fix="give a number from 0 to 1")


def move(averages: Sequence[Tensor], values: Sequence[Tensor], decay: float | Tensor) -> None:
    """averages ← decay · averages + (1 − decay) · values in place, by few kernels; values are converted first if need be."""
    if not averages:
        return
    if any(value.dtype != average.dtype or value.device != average.device for average, value in zip(averages, values, strict=True)):
        values = [value.to(average) for average, value in zip(averages, values, strict=True)]
    if isinstance(decay, Tensor):  # as a number it would have to be read from the device
        differences = torch._foreach_sub(list(values), list(averages))
        weights = (1 - decay).to(averages[0].device)
        torch._foreach_mul_(differences, weights)
        torch._foreach_add_(list(averages), differences)
    elif decay == 0:
        copy(averages, values)  # interpolation would keep an infinite average infinite
    elif decay < 1:
        torch._foreach_lerp_(list(averages), list(values), 1 - decay)


def copy(targets: Sequence[Tensor], sources: Sequence[Tensor]) -> None:
    """Copy values in place, whatever the dtypes and devices."""
    if targets:
        torch._foreach_copy_(list(targets), list(sources))


def check_alike(what: str, first: Mapping[str, Tensor], second: Mapping[str, Tensor], whose: str) -> None:
    """Raise UnlikeModels naming what is missing, unknown or of another shape in `second`."""
    if first.keys() == second.keys() and all(first[name].shape == second[name].shape for name in first):
        return
    wrong = [f"{name} is missing" for name in first if name not in second] + [f"{name} is unknown" for name in second if name not in first]
    for name in first:
        if name in second and first[name].shape != second[name].shape:
            wrong.append(f"{name} has shape {tuple(second[name].shape)} there and {tuple(first[name].shape)} here")
    more = f" and {len(wrong) - 5} more" if len(wrong) > 5 else ""
    raise UnlikeModels(
        f"the {what}s of {whose} are others", why="; ".join(wrong[:5]) + more, fix="average models of the same class and sizes"
    )


@torch.no_grad()
def average_weights(weights: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """The equal average of several sets of weights, each tensor in its own dtype on the device of the first set.

    Floating and complex tensors are summed in float64 (float32 on MPS) and rounded once; all others are the first's. Raises UnlikeModels
    (a ValueError) for no sets, or sets whose names, shapes or dtypes differ.
    """
    if not weights:
        raise UnlikeModels("there are no weights to average", fix="give at least one set")
    first, *others = weights
    for number, other in enumerate(others, start=2):
        check_alike("tensor", first, other, f"set {number}")
        for name, tensor in first.items():
            if other[name].dtype != tensor.dtype:
                why = f"{name} is {other[name].dtype} there and {tensor.dtype} here"
                raise UnlikeModels(f"the tensors of set {number} have other dtypes", why=why, fix="convert them first")
    return {name: _mean([each[name] for each in weights]) for name in first}


def _mean(tensors: list[Tensor]) -> Tensor:
    first = tensors[0]
    if len(tensors) == 1 or not (first.is_floating_point() or first.is_complex()):
        return first.detach().clone()
    wide = torch.complex128 if first.is_complex() else torch.float32 if first.device.type == "mps" else torch.float64
    total = first.detach().to(wide, copy=True)
    for tensor in tensors[1:]:
        total += tensor.detach().to(first.device)
    return (total / len(tensors)).to(first.dtype)

"""What a training step of a person's own gives, as the loss the engine works with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from trainwright.config.errors import TrainwrightError
from trainwright.engine.system import Loss

Weights = Callable[[str], float]
"""Name of a part of the loss → its weight now."""


def as_loss(value: Any, rows: int, weight_of: Weights | None = None) -> Loss:
    """A `Loss` as it is; a scalar as the mean over `rows` rows; a mapping with `loss`, or of parts that are weighted and summed.

    Raises TrainwrightError for anything else, None before all.
    """
    if isinstance(value, Loss):
        return value
    if isinstance(value, Tensor) and not value.is_complex():
        return Loss.of_mean(scalar(value, "the loss"), rows)
    if isinstance(value, Mapping) and value:
        return _join(value, rows, weight_of)
    if isinstance(getattr(value, "loss", None), Tensor):
        return Loss.of_mean(scalar(value.loss, "the loss"), rows)
    raise _no_loss(value)


def _join(value: Mapping[str, Any], rows: int, weight_of: Weights | None) -> Loss:
    """The sum of the parts by their weights; with `loss` among them that is the loss, and the other scalars are only logged."""
    found = {str(name): each for name, each in value.items() if isinstance(each, Tensor) and each.numel() == 1 and not each.is_complex()}
    value = {str(name): each for name, each in value.items()}
    if "loss" in value:
        if "loss" not in found:
            raise _no_loss(value["loss"])
        parts = {name: each.detach() * rows for name, each in found.items() if name != "loss"}
        return Loss.of_mean(scalar(found["loss"], "the loss"), rows, parts)
    other = next((name for name in value if name not in found), None)
    if other is not None:
        raise TrainwrightError(
            f"part '{other}' of the loss is {describe_value(value[other])}",
            where="training_step",
            why="a mapping without `loss` holds the parts of the loss, each a scalar tensor",
            fix="take its mean, or return the loss under the name 'loss'",
        )
    total: Tensor | None = None
    for name, part in found.items():
        weight = 1.0 if weight_of is None else weight_of(name)
        if weight == 0.0:
            continue  # 0 · inf would be NaN, and a part that counts for nothing need not go backwards
        weighted = scalar(part, name) if weight == 1.0 else scalar(part, name) * weight
        total = weighted if total is None else total + weighted
    if total is None:
        total = torch.stack([scalar(part, name) for name, part in found.items()]).sum() * 0.0
    return Loss.of_mean(total, rows, {name: part.detach() * rows for name, part in found.items()})


def scalar(value: Tensor, name: str) -> Tensor:
    """A tensor of one element without dimensions; raises TrainwrightError for one of several."""
    if value.dim() == 0:
        return value
    if value.numel() == 1:
        return value.reshape(())
    what, why = f"{name} is {describe_value(value)}", "a step goes backwards from one number"
    raise TrainwrightError(what, where="training_step", why=why, fix="return its mean: loss.mean()")


def describe_value(value: Any) -> str:
    """A value in words: its type, and the shape of a tensor."""
    if isinstance(value, Tensor) and value.is_complex():
        return "a complex tensor"
    return f"a tensor of shape {tuple(value.shape)}" if isinstance(value, Tensor) else f"a {type(value).__name__}"


def _no_loss(value: Any) -> TrainwrightError:
    what = "training_step returned None" if value is None else f"training_step returned {describe_value(value)}"
    why = "it must return the loss: a scalar tensor, a mapping of parts of it, or trainwright.Loss"
    fix = "end it with `return loss`" if value is None else "return the loss as a scalar tensor"
    return TrainwrightError(what, why=why, fix=fix)

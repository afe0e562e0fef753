"""From a decoder's outputs to probabilities and values: joining members, undoing the target's scale."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Shaped
from torch import Tensor

from trainwright.features.spec import TargetSpec


def join_members(kind: str, output: Float[Tensor, "b *k o"]) -> Float[Tensor, "b o"]:
    """The members' answers as one output: the logit of their mean probability (classes, sets), or their mean (numbers)."""
    if output.dim() == 2:
        return output
    if kind in ("number", "vector"):
        return output.mean(dim=1)
    if kind == "category" or (kind == "binary" and output.shape[2] == 2):
        return output.log_softmax(dim=2).logsumexp(dim=1) - math.log(output.shape[1])
    return F.logsigmoid(output).logsumexp(dim=1) - F.logsigmoid(-output).logsumexp(dim=1)


def probabilities(kind: str, output: Float[Tensor, "b o"]) -> Float[Tensor, "b c"]:
    """Probabilities of classes (binary: negative, positive) or of each label of a set."""
    if kind == "set":
        return output.sigmoid()
    if output.shape[1] == 1:
        return torch.cat([(-output).sigmoid(), output.sigmoid()], dim=1)
    return output.softmax(dim=1)


def original_units(encoded: Shaped[Tensor, "b ..."], scale: dict[str, Any] | None) -> Shaped[Tensor, "b ..."]:
    """Standardised, perhaps log-transformed values in the target's own units; float64 where the device has it."""
    # in float32 a target such as 1 000 000 ± 1 would come back as steps
    values = encoded if encoded.device.type == "mps" else encoded.double()
    if scale is None:
        return values
    mean, std = (torch.as_tensor(scale[key], dtype=values.dtype, device=values.device) for key in ("mean", "std"))
    values = values * std + mean
    # below zero log1p is continued by its tangent, as in the encoding
    return torch.where(values < 0, values, values.clamp_min(0).expm1()) if scale.get("transform") == "log" else values


def scores(target: TargetSpec, output: Float[Tensor, "b o *p"]) -> Shaped[Tensor, "b ..."]:
    """What the metrics read: probabilities `[b, c]`, or values in original units `[b]` (number) or `[b, v]` (vector)."""
    if target.kind in ("number", "vector"):
        return original_units(output.squeeze(1) if target.kind == "number" else output, target.scale)
    return output.softmax(dim=1) if target.positions else probabilities(target.kind, output)


def answers(target: TargetSpec, output: Tensor, scaling: Callable[[Tensor], Tensor] | None = None) -> Tensor:
    """What a prediction is made of: the scores of the members' joint answer, scaled where it is; at positions the likeliest class."""
    if not target.positions:
        joint = join_members(target.kind, output)
        return scores(target, joint if scaling is None else scaling(joint))
    return output.argmax(dim=1).to(torch.uint8 if target.width <= 256 else torch.int32)

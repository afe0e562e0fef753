"""Sequences of different lengths in one tensor: reading them, masking the padding, pooling over what is there."""

from __future__ import annotations

import math

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from trainwright.features.spec import InputGroup
from trainwright.nn.blocks.pooling import AttentionPool
from trainwright.nn.encoders.fitting import unfit


def present(length: Int[Tensor, " b"], steps: int) -> Bool[Tensor, "b l"]:
    """True where a position lies inside its sequence."""
    return torch.arange(steps, device=length.device) < length.unsqueeze(1)


def pool(x: Float[Tensor, "b l w"], length: Int[Tensor, " b"], how: str) -> Float[Tensor, "b w"]:
    """One vector per sequence (`mean`, `sum`, `max`, `first`, `last`), padding left out; an empty sequence gives zeros."""
    if how in ("first", "last"):
        at = torch.zeros_like(length) if how == "first" else (length - 1).clamp_min(0)
        picked = x.gather(1, at.view(-1, 1, 1).expand(-1, 1, x.shape[2])).squeeze(1)
        return picked.masked_fill((length == 0).unsqueeze(1), 0.0)
    keep = present(length, x.shape[1]).unsqueeze(2)
    if how == "max":
        return x.masked_fill(~keep, -torch.inf).amax(dim=1).masked_fill((length == 0).unsqueeze(1), 0.0)
    total = x.masked_fill(~keep, 0.0).sum(dim=1)
    return total / length.clamp_min(1).unsqueeze(1) if how == "mean" else total


class SequencePool(nn.Module):
    """`pool` as a layer, and `attention`: that of a learned query to what is there (Lee et al. 2019)."""

    def __init__(self, how: str, width: int) -> None:
        super().__init__()
        self.how = how
        self.attend = AttentionPool(width) if how == "attention" else None

    def forward(self, x: Float[Tensor, "b l w"], length: Int[Tensor, " b"]) -> Float[Tensor, "b w"]:
        return pool(x, length, self.how) if self.attend is None else self.attend(x, present(length, x.shape[1]))


class SequenceInput(nn.Module):
    """Tokens through an embedding, or numbers through a linear layer: parts of one column → `[b, l, width]` and lengths `[b]`."""

    def __init__(self, group: InputGroup, width: int) -> None:
        super().__init__()
        if "length" not in group.parts:
            raise unfit(group, "are not sequences")
        self.part = "tokens" if "tokens" in group.parts else "value"
        shape = group.parts[self.part]
        self.time_last = group.time_last
        self.steps, others = (shape[-1], shape[1:-1]) if self.time_last else (shape[1], shape[2:])
        self.table: nn.Module = nn.Embedding(group.sizes[0], width) if self.part == "tokens" else nn.Linear(math.prod(others), width)

    def forward(self, parts: dict[str, Tensor]) -> tuple[Float[Tensor, "b l w"], Int[Tensor, " b"]]:
        length, x = parts["length"][:, 0], parts[self.part][:, 0]
        if self.time_last:
            x = x.flatten(1, -2).transpose(1, 2)
        if x.device.type == "cpu" and not torch.compiler.is_exporting() and len(length):
            # looking at the longest length costs nothing here; on an accelerator it would wait for the device, and no graph can hold it
            x = x[:, : max(int(length.max()), 1)]
        return self.table(x if self.part == "tokens" or x.dim() == 3 else x.unsqueeze(-1)), length


def reverse(x: Float[Tensor, "b l w"], length: Int[Tensor, " b"]) -> Float[Tensor, "b l w"]:
    """Each sequence backwards, its padding left in place; applied twice it gives the input back."""
    position = torch.arange(x.shape[1], device=x.device)
    index = torch.where(position < length.unsqueeze(1), length.unsqueeze(1) - 1 - position, position)
    return x.gather(1, index.unsqueeze(2).expand_as(x))

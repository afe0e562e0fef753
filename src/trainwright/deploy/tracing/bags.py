"""Bags of embeddings while a module is traced: bags of one width as a sum over positions, which are of any number of rows, one included."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

ORIGINAL: Callable[..., Tensor] = nn.functional.embedding_bag


def embedding_bag(
    input: Tensor,
    weight: Tensor,
    offsets: Tensor | None = None,
    max_norm: float | None = None,
    norm_type: float = 2,
    scale_grad_by_freq: bool = False,
    mode: str = "mean",
    sparse: bool = False,
    per_sample_weights: Tensor | None = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> Tensor:
    """As `torch.nn.functional.embedding_bag`; bags `[b, l]` are gathered and summed, others are torch's own operator."""
    if input.dim() != 2 or max_norm is not None:
        options: tuple[Any, ...] = (max_norm, norm_type, scale_grad_by_freq, mode, sparse, per_sample_weights)
        return ORIGINAL(input, weight, offsets, *options, include_last_offset, padding_idx)
    vectors = nn.functional.embedding(input, weight)
    padding = None if padding_idx is None else padding_idx % weight.shape[0]
    counts = (input != padding).unsqueeze(2) if padding is not None else torch.ones_like(input, dtype=torch.bool).unsqueeze(2)
    if mode == "max":
        greatest = vectors.masked_fill(~counts, -torch.inf).amax(1)
        return torch.where(counts.any(1), greatest, torch.zeros((), dtype=vectors.dtype))
    vectors = vectors if per_sample_weights is None else vectors * per_sample_weights.unsqueeze(2)
    total = vectors.masked_fill(~counts, 0.0).sum(1)
    return total if mode == "sum" else total / counts.sum(1).clamp_min(1)

"""Functions of torch that fix sizes while a module is traced, by others that give the same and do not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

BAG: Callable[..., Tensor] = nn.functional.embedding_bag
POOL: Callable[..., Any] = nn.functional.max_pool1d


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
    """As `torch.nn.functional.embedding_bag`; bags `[b, l]` are gathered and summed, so that a single row is one of any number.

    Others are torch's own operator.
    """
    if input.dim() != 2 or max_norm is not None:
        options: tuple[Any, ...] = (max_norm, norm_type, scale_grad_by_freq, mode, sparse, per_sample_weights)
        return BAG(input, weight, offsets, *options, include_last_offset, padding_idx)
    vectors = nn.functional.embedding(input, weight)
    padding = None if padding_idx is None else padding_idx % weight.shape[0]
    counts = (input != padding).unsqueeze(2) if padding is not None else torch.ones_like(input, dtype=torch.bool).unsqueeze(2)
    if mode == "max":
        greatest = vectors.masked_fill(~counts, -torch.inf).amax(1)
        return torch.where(counts.any(1), greatest, torch.zeros((), dtype=vectors.dtype))
    vectors = vectors if per_sample_weights is None else vectors * per_sample_weights.unsqueeze(2)
    total = vectors.masked_fill(~counts, 0.0).sum(1)
    return total if mode == "sum" else total / counts.sum(1).clamp_min(1)


def max_pool1d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """As `torch.nn.functional.max_pool1d`, which is for the length of its example where nothing is trained, by a pool of two dimensions."""
    if return_indices:
        return POOL(input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)
    across = [(1, kernel_size), (1, kernel_size if stride is None else stride), (0, padding), (1, dilation)]
    sizes = [(first, each[0] if isinstance(each, tuple | list) else each) for first, each in across]
    kernel, step, around, apart = sizes
    return nn.functional.max_pool2d(input.unsqueeze(-2), kernel, step, around, apart, ceil_mode).squeeze(-2)


REPLACED: list[tuple[Any, str, Any]] = [
    (nn.functional, "embedding_bag", embedding_bag),
    (nn.functional, "max_pool1d", max_pool1d),
    (torch, "max_pool1d", max_pool1d),
]
"""An owner, the name of one of its functions, and what stands there while a module is traced."""

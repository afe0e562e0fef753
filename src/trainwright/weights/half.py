"""Weights in half precision, for files that are to be half as large."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor

from trainwright.config.errors import ConfigError

Half = Literal["fp16", "bf16"]
HALVES: dict[str, torch.dtype] = {"fp16": torch.float16, "bf16": torch.bfloat16}


def in_half(tensors: Mapping[str, Tensor], dtype: Half, where: str) -> dict[str, Tensor]:
    """The tensors with those of float32 and float64 in half precision; others, such as whole numbers and what is half already, as they are.

    Raises ConfigError for values that float16 does not have.
    """
    found = {}
    for name, tensor in tensors.items():
        rounded = tensor.to(HALVES[dtype]) if tensor.dtype in (torch.float32, torch.float64) else tensor
        if rounded is not tensor and bool((rounded.isinf() & tensor.isfinite()).any()):
            largest = float(tensor[tensor.isfinite()].abs().max())
            why = f"'{name}' has values up to {largest:.4g}, and {dtype} ends at {torch.finfo(HALVES[dtype]).max:.4g}"
            fix = "use bf16, which reaches as far as float32" if dtype == "fp16" else "leave the dtype out"
            raise ConfigError(f"these weights cannot be written as {dtype}", where=where, why=why, fix=fix)
        found[name] = rounded
    return found

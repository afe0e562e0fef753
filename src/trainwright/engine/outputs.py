"""Outputs of steps, as metrics compute with them."""

from __future__ import annotations

import torch
from torch import Tensor

HALF = (torch.float16, torch.bfloat16)


def in_float32(outputs: dict[str, Tensor]) -> dict[str, Tensor]:
    """Outputs in half precision as float32, which metrics compute in; others as they are."""
    if any(tensor.dtype in HALF for tensor in outputs.values()):
        return {name: tensor.float() if tensor.dtype in HALF else tensor for name, tensor in outputs.items()}
    return outputs

"""How much a network computes."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from trainwright.nn.modes import eval_mode


def count_flops(network: nn.Module, *inputs: Any, **conditions: Any) -> int:
    """Floating-point operations of one forward pass, a multiplication and an addition counted as two; of all rows that are given.

    Matrix products, convolutions and attention are counted, by torch's counter; what is done number by number is not.
    """
    counter = FlopCounterMode(display=False)
    # attention as products of matrices: the counter does not know the CPU's own
    with torch.no_grad(), eval_mode(network), sdpa_kernel(SDPBackend.MATH), counter:
        network(*inputs, **conditions)
    return int(counter.get_total_flops())

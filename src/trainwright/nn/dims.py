"""Dimensions of size one at the end of a tensor, so that one number per row fits whole rows."""

from __future__ import annotations

from torch import Tensor


def append_dims(x: Tensor, target_dims: int) -> Tensor:
    """`x` with dimensions of size 1 appended until it has `target_dims`: (b,) → (b, 1, 1, 1); raises ValueError when it has more already.

    It is a view, but on Apple's GPUs a detached copy. After k-diffusion's function of the same name.
    """
    missing = target_dims - x.ndim
    if missing < 0:
        raise ValueError(f"input has {x.ndim} dims but target_dims is {target_dims}, which is less")
    expanded = x.reshape(x.shape + (1,) * missing)
    # On Apple's GPUs, such a view may give infinite values: https://github.com/pytorch/pytorch/issues/84364
    return expanded.detach().clone() if expanded.device.type == "mps" else expanded

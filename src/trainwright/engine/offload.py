"""What the backward pass needs, kept in main memory meanwhile."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks

Packed = Tensor | tuple[torch.device, Tensor, bool]


class Offload(saved_tensors_hooks):
    """A context: large tensors that operations save for their backward pass go to main memory and come back when they are needed.

    Parameters stay, since they are on the device anyway; so do tensors of at most `above` bytes, and those that are on the CPU.
    """

    def __init__(self, above: int, pinned: bool) -> None:
        self.above, self.pinned = above, pinned
        super().__init__(self._pack, self._unpack)

    def _pack(self, tensor: Tensor) -> Packed:
        stays = tensor.device.type == "cpu" or tensor.is_sparse or (tensor.is_leaf and tensor.requires_grad)
        if stays or tensor.numel() * tensor.element_size() <= self.above:
            return tensor
        return tensor.device, move_to_host(tensor, self.pinned), self.pinned

    def _unpack(self, packed: Packed) -> Tensor:
        if isinstance(packed, Tensor):
            return packed
        device, tensor, pinned = packed
        return tensor.to(device, non_blocking=pinned)


def move_to_host(tensor: Tensor, pinned: bool) -> Tensor:
    """A copy in main memory with the same strides; waits for the device."""
    if not pinned:
        return tensor.to("cpu")
    kept = torch.empty_like(tensor, device="cpu", pin_memory=True)
    return kept.copy_(tensor)

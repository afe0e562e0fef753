"""Small parameters laid side by side in one storage, so that one call goes through all of them.

On the CPU a call per tensor costs more than the arithmetic of a small one, and runs on one core; CUDA has kernels for lists of tensors.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

SMALL = 1 << 16
"""Elements; a larger tensor keeps all cores busy by itself."""
ALIGNED = 64
"""Bytes; as torch's allocator aligns, so that vectorised kernels run as before."""


def fits(param: Tensor) -> bool:
    """Whether a parameter may be moved: a plain small one on the CPU, dense, and alone in its storage."""
    return (
        type(param) in (nn.Parameter, Tensor)
        and param.device.type == "cpu"
        and 0 < param.numel() <= SMALL
        and param.layout is torch.strided
        and param.untyped_storage().nbytes() == param.numel() * param.element_size()
        and not param.is_shared()  # type: ignore[no-untyped-call]
        and _alone(param)
        and torch.empty_like(param).stride() == param.stride()
    )


def _alone(param: Tensor) -> bool:
    """Whether no other tensor looks at the values (a tie by `.data`, an alias somebody keeps): it would be left behind."""
    count = getattr(torch._C, "_storage_Use_Count", None)  # the parameter and the handle we ask with make 2
    return count is not None and count(param.untyped_storage()._cdata) <= 2


class Arena:
    """One storage that holds parameters of one dtype; their values, strides and identity stay."""

    def __init__(self, params: list[nn.Parameter]) -> None:
        self.params = params
        unit = ALIGNED // params[0].element_size()
        self._places: list[int] = []
        size = 0
        for param in params:
            self._places.append(size)
            size += -(-param.numel() // unit) * unit
        self.flat = torch.zeros(size, dtype=params[0].dtype)
        for param, view in zip(params, self.views(self.flat), strict=True):
            view.copy_(param.data)
            param.data = view
        self._addresses = [param.data_ptr() for param in params]

    def views(self, flat: Tensor) -> list[Tensor]:
        """Tensors like the parameters within `flat`, which is laid out as `self.flat`."""
        return [flat.as_strided(param.shape, param.stride(), place) for param, place in zip(self.params, self._places, strict=True)]

    def intact(self) -> bool:
        """Whether every parameter is still here, and not replaced by `param.data = …` or `module.to(…)`."""
        return [param.data_ptr() for param in self.params] == self._addresses

    def release(self) -> None:
        """Give every parameter that is here a storage of its own again."""
        for param, address in zip(self.params, self._addresses, strict=True):
            if param.data_ptr() == address:
                param.data = param.data.clone()

"""Gradients in one piece of memory for each type of number, so that one exchange sums them all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

LIMB = 4096.0
"""Numbers go beside float32 gradients as three limbs, so that whole numbers below 2^33 are summed exactly."""
LIMBS = 3


class FlatGradients:
    """The gradients of some parameters, and a few numbers, laid side by side in one buffer for each device and type of number.

    A parameter without a gradient contributes zeros; that it has one anywhere is summed too, so that all processes update the same ones.
    """

    def __init__(self, parameters: Sequence[nn.Parameter], numbers: int) -> None:
        """`numbers`: how many go along."""
        self.parameters = list(parameters)
        self._places: list[tuple[int, int]] = []
        """Buffer and first element of each parameter."""
        sizes: list[int] = []
        kinds: dict[tuple[torch.device, torch.dtype], int] = {}
        for each in self.parameters:
            kind = kinds.setdefault((each.device, each.dtype), len(kinds))
            sizes += [0] * (kind + 1 - len(sizes))
            self._places.append((kind, sizes[kind]))
            sizes[kind] += each.numel()
        device = self.parameters[0].device
        head = next((place for (_, dtype), place in kinds.items() if dtype in (torch.float32, torch.float64)), None)
        if head is None:
            kinds[(device, torch.float32)] = head = len(sizes)
            sizes.append(0)
        self._head, self._numbers = head, numbers
        tail = sizes[head]
        sizes[head] += LIMBS * numbers + len(self.parameters)
        self.buffers = [torch.zeros(size, dtype=dtype, device=at) for (at, dtype), size in zip(kinds, sizes, strict=True)]
        self.views = self._view(self.buffers)
        self._said = self.buffers[head][tail : tail + LIMBS * numbers]
        self._has = self.buffers[head][tail + LIMBS * numbers :]
        self._tail = tail
        self._present: list[bool] = []
        self._having: list[bool] = []
        self._flags = self._has

    def _view(self, buffers: list[Tensor]) -> list[Tensor]:
        return [
            buffers[kind][start : start + each.numel()].view(each.shape)
            for each, (kind, start) in zip(self.parameters, self._places, strict=True)
        ]

    def of(self, parameters: Sequence[nn.Parameter]) -> bool:
        """Whether it is laid out for these."""
        return len(parameters) == len(self.parameters) and all(map(lambda one, other: one is other, parameters, self.parameters))

    @torch.no_grad()
    def pack(self, numbers: Sequence[float | Tensor]) -> None:
        """Take in the gradients there are, dense ones, and the numbers."""
        grads = [each.grad for each in self.parameters]
        present = [grad is not None and not grad.is_sparse for grad in grads]
        if all(present):
            torch._foreach_copy_(self.views, grads)  # type: ignore[arg-type]
        else:
            for view, grad, there in zip(self.views, grads, present, strict=True):
                if there:
                    view.copy_(grad)  # type: ignore[arg-type]
                else:
                    view.zero_()
        if any(isinstance(each, Tensor) for each in numbers):
            for place, number in enumerate(numbers):
                self._said[place * LIMBS : (place + 1) * LIMBS] = limbs(number, self._said)
        else:
            self._said.copy_(torch.tensor([limb for number in numbers for limb in split(float(number))], dtype=self._said.dtype))
        having = [grad is not None for grad in grads]
        if having != self._having:
            self._having, self._flags = having, torch.tensor(having).to(self._has)
        self._has.copy_(self._flags)  # those of the exchange before are sums by now
        self._present = present

    @torch.no_grad()
    def unpack(self) -> None:
        """Give every parameter that has a gradient in any process the sum, as a part of the buffer."""
        anywhere = self._has.tolist() if not all(self._present) else None
        for place, (parameter, view) in enumerate(zip(self.parameters, self.views, strict=True)):
            if parameter.grad is not None and parameter.grad.is_sparse:
                continue
            parameter.grad = view if anywhere is None or anywhere[place] else None

    def numbers(self) -> list[float] | list[Tensor]:
        """The sums of the numbers: as they are where the buffer is in the memory of the host, else scalars on the device."""
        if self._said.device.type == "cpu":
            told = self._said.tolist()
            return [told[place] * LIMB + told[place + 1] + told[place + 2] for place in range(0, len(told), LIMBS)]
        found = self._said.to(torch.float64 if self._said.device.type != "mps" else torch.float32).view(self._numbers, LIMBS)
        return list((found[:, 0] * LIMB + found[:, 1] + found[:, 2]).unbind())

    def copies(self) -> list[Tensor]:
        """The buffers as they are now."""
        return [each.clone() for each in self.buffers]

    def take(self, buffers: Sequence[Tensor]) -> None:
        """Hold other contents."""
        for mine, other in zip(self.buffers, buffers, strict=True):
            mine.copy_(other)

    def each(self, act: Callable[[Tensor], Any]) -> list[Any]:
        """What `act` gives for every buffer."""
        return [act(each) for each in self.buffers]


def limbs(number: float | Tensor, like: Tensor) -> Tensor:
    """A number as multiples of 4096, the whole rest, and what is below 1: each is exact in float32 for whole numbers below 2^36."""
    if isinstance(number, Tensor):
        wide = number.detach().to(like.device, torch.float64 if like.device.type != "mps" else torch.float32)
        high = torch.floor(wide / LIMB)
        rest = wide - high * LIMB
        middle = torch.floor(rest)
        return torch.stack([high, middle, rest - middle]).to(like.dtype)
    return torch.tensor(split(float(number)), dtype=like.dtype)


def split(number: float) -> tuple[float, float, float]:
    """The limbs of a number of the host."""
    high, rest = divmod(number, LIMB)
    middle, low = divmod(rest, 1.0)
    return high, middle, low

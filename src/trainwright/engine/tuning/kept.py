"""What a trial must leave as it found it: weights, buffers, modes, gradients, plain attributes, and every generator."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from trainwright.engine.randomness import restore_generators
from trainwright.engine.system import System

PLAIN = (bool, int, float, str, tuple, type(None))


class KeptSystem:
    """A copy, in the host's memory, of everything in a system that a step may change."""

    def __init__(self, system: System, weights: bool = True) -> None:
        """Without `weights`, tensors are neither copied nor put back."""
        self._modules = list(system.modules())
        self._tensors = [(each, each.detach().to("cpu", copy=True)) for each in tensors_of(self._modules) if weights]
        self._trained = [(each, each.requires_grad, each.grad) for each in parameters_of(self._modules)]
        self._plain = [{name: value for name, value in vars(each).items() if isinstance(value, PLAIN)} for each in self._modules]
        generators = [value for module in self._modules for value in vars(module).values() if isinstance(value, torch.Generator)]
        self._generators = [(each, each.get_state()) for each in generators]

    @torch.no_grad()
    def restore_weights(self) -> None:
        """Put parameters and buffers back, bit for bit."""
        for tensor, before in self._tensors:
            tensor.copy_(before)

    def restore(self) -> None:
        """Put everything back."""
        self.restore_weights()
        for parameter, trained, grad in self._trained:
            parameter.requires_grad_(trained)
            parameter.grad = grad
        for module, plain in zip(self._modules, self._plain, strict=True):
            vars(module).update(plain)
        for generator, state in self._generators:
            generator.set_state(state)
        torch.clear_autocast_cache()  # within an autocast region the weights of the trial would be used on


def parameters_of(modules: list[nn.Module]) -> list[nn.Parameter]:
    """The parameters of the modules, shared ones once."""
    found = [each for module in modules for each in module.parameters(recurse=False)]
    return list({id(each): each for each in found}.values())


def tensors_of(modules: list[nn.Module]) -> list[Tensor]:
    """Parameters and buffers, also those that are not saved, shared ones once."""
    buffers = [each for module in modules for each in module.buffers(recurse=False)]
    return list({id(each): each for each in [*parameters_of(modules), *buffers]}.values())


@contextmanager
def change_nothing(system: System, device: torch.device, weights: bool = True) -> Iterator[KeptSystem]:
    """Put back, whatever happens, what steps on `system` change: the system, and the generators of torch, Python and numpy.

    Without `weights`, its parameters and buffers stay as the steps leave them.
    """
    kept = KeptSystem(system, weights)
    others: list[Any] = [random.getstate(), np.random.get_state()]
    with ExitStack() as stack:
        for each in [device, *_cuda_devices()]:
            stack.enter_context(restore_generators(each))
        try:
            yield kept
        finally:
            random.setstate(others[0])
            np.random.set_state(others[1])
            kept.restore()


def _cuda_devices() -> list[torch.device]:
    started = torch.cuda.is_available() and torch.cuda.is_initialized()  # type: ignore[no-untyped-call]
    return [torch.device("cuda", index) for index in range(torch.cuda.device_count())] if started else []

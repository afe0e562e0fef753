"""Randomness from counters: the generators are seeded anew for every step, so there is nothing to save and a step can be redone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from trainwright.data.counters import fold, folded


def device_generator(device: torch.device) -> torch.Generator:
    """The default generator of a device: what dropout and `torch.rand` without a generator draw from."""
    if device.type == "cuda":
        torch.cuda.init()  # type: ignore[no-untyped-call]
        return torch.cuda.default_generators[device.index or 0]
    if device.type == "mps":
        return torch.mps._get_default_mps_generator()
    return torch.default_generator


class StepSeeds:
    """Seeds the CPU's and the device's default generator from (seed, purpose, counter); a microsecond each, unlike `torch.manual_seed`."""

    def __init__(self, seed: int, device: torch.device) -> None:
        self.generator = device_generator(device)
        self._steps, self._evaluations = fold(seed, "step"), fold(seed, "evaluation")
        self._others = [] if self.generator is torch.default_generator else [torch.default_generator]

    def step(self, step: int) -> None:
        """Seed for the training step after `step` updates."""
        self._seed(folded(self._steps, step))

    def evaluation(self, step: int) -> None:
        """Seed for an evaluation after `step` updates."""
        self._seed(folded(self._evaluations, step))

    def _seed(self, key: int) -> None:
        self.generator.manual_seed(key)
        for other in self._others:
            other.manual_seed(key)


@contextmanager
def generators_restored(device: torch.device) -> Iterator[None]:
    """Leave the default generators as they were found."""
    generators = {id(each): each for each in (torch.default_generator, device_generator(device))}.values()
    states = [(each, each.get_state()) for each in generators]
    try:
        yield
    finally:
        for each, state in states:
            each.set_state(state)

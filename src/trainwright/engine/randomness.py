"""Randomness from counters: the generators are seeded anew for every step, so there is nothing to save and a step can be redone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

from trainwright.data.counters import fold, fold_in
from trainwright.data.draws import device_generator, keep_draws, seed_python_and_numpy


class StepSeeds:
    """Seeds the default generators of torch (CPU and device), `random` and numpy from (seed, purpose, counter); some 7 µs.

    So a step, an evaluation, and what callbacks draw between them are the same in a run that was never interrupted and in one that was.
    """

    def __init__(self, seed: int, device: torch.device) -> None:
        self.generator = device_generator(device)
        self._keys = {purpose: fold(seed, purpose) for purpose in ("step", "evaluation", "batch_start", "boundary", "epoch_start")}
        self._transforms = seed
        self._others = [] if self.generator is torch.default_generator else [torch.default_generator]

    def step(self, batch_number: int, first: int = 0) -> None:
        """Seed for the training step on batch number `batch_number`, or for its micro-batch that begins with row `first` of the step.

        What is drawn follows from the rows, so that it is the same whichever process draws it.
        """
        key = self.key_of(batch_number)
        self._seed(fold_in(key, first) if first else key)

    def key_of(self, batch_number: int) -> int:
        """The key of a training step, from which what is drawn for its rows follows."""
        return fold_in(self._keys["step"], batch_number)

    def transforms(self, epoch: int, batch_number: int, piece: int = 0) -> Callable[[str], None]:
        """Seeds for the transform at a place, on a whole batch, or on a piece of a step that came as a batch of its own."""
        counters = (epoch, batch_number, piece) if piece else (epoch, batch_number)
        return lambda place: self._seed(fold(self._transforms, f"transform {place}", *counters))

    def evaluation(self, step: int) -> None:
        """Seed for an evaluation after `step` updates."""
        self._seed(fold_in(self._keys["evaluation"], step))

    def hooks(self, place: str, batch_number: int) -> None:
        """Seed for the hooks at a `boundary`, `epoch_start` or `batch_start`, after `batch_number` batches."""
        self._seed(fold_in(self._keys[place], batch_number))

    def _seed(self, key: int) -> None:
        self.generator.manual_seed(key)
        for other in self._others:
            other.manual_seed(key)
        seed_python_and_numpy(key)


@contextmanager
def restore_generators(device: torch.device) -> Iterator[None]:
    """Leave the default generators of torch (CPU and device), `random` and numpy as they were found."""
    generator = device_generator(device)
    state = generator.get_state()
    with keep_draws():
        try:
            yield
        finally:
            generator.set_state(state)

"""What is random within a sample comes from (seed, epoch, row), whichever process reads it and whatever was read before."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

from trainwright.data.counters import fold, folded

SMALL_WORD = 0xFFFF_FFFF


def seed_python_and_numpy(key: int) -> None:
    """Seed the default generators of `random` and numpy from a key of 64 bits; about 6 µs, most of it Python's."""
    random.seed(key)
    np.random.seed(key & SMALL_WORD)


class Draws:
    """Seeds the default generators of torch (CPU), `random` and numpy for a row; about 10 µs."""

    def __init__(self, seed: int, epoch: int) -> None:
        self._key = fold(seed, "sample", epoch)

    def row(self, number: int) -> None:
        """Seed for row `number`."""
        key = folded(self._key, number)
        torch.default_generator.manual_seed(key)
        seed_python_and_numpy(key)


@contextmanager
def draws_kept() -> Iterator[None]:
    """Leave the default generators of torch (CPU), `random` and numpy as they were found."""
    of_torch, of_python, of_numpy = torch.default_generator.get_state(), random.getstate(), np.random.get_state()
    try:
        yield
    finally:
        torch.default_generator.set_state(of_torch)
        random.setstate(of_python)
        np.random.set_state(of_numpy)

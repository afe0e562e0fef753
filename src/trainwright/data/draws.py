"""What is random within a sample comes from (seed, epoch, row), whichever process reads it and whatever was read before."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

import numpy as np
import torch

from trainwright.data.counters import fold, fold_in

SMALL_WORD = 0xFFFF_FFFF


def device_generator(device: torch.device) -> torch.Generator:
    """The default generator of a device: what dropout and `torch.rand` without a generator draw from."""
    if device.type == "cuda":
        torch.cuda.init()  # type: ignore[no-untyped-call]
        return torch.cuda.default_generators[device.index or 0]
    if device.type == "mps":
        return torch.mps._get_default_mps_generator()
    return torch.default_generator


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
        key = fold_in(self._key, number)
        torch.default_generator.manual_seed(key)
        seed_python_and_numpy(key)


REPEAT = 40
"""Of a sample's number: the bits above these say how often its row came before in the epoch."""


class SamplePlace:
    """Which sample is read in this process, for what follows from its row and epoch and draws nothing."""

    def __init__(self) -> None:
        self.seed, self.epoch, self.number = 0, 0, 0


PLACE = SamplePlace()


def sample_place() -> tuple[int, int, int, int]:
    """Seed, epoch and row of the sample that is being read, and how often its row came before in the epoch."""
    return PLACE.seed, PLACE.epoch, PLACE.number & ((1 << REPEAT) - 1), PLACE.number >> REPEAT


class DefaultGenerator(Protocol):
    """One of the default generators that a dataset may draw from."""

    def seed(self, key: int) -> None:
        """Seed it from a key of 64 bits."""

    def watch(self, key: int) -> None:
        """Put it into a state from which `drew` can tell whether it was used."""

    def drew(self) -> bool:
        """Whether something drew from it since, or seeded it."""


class OfTorch:
    """torch's, on the CPU. Its seed is that of the batch while it is watched, for datasets that read `torch.initial_seed()`; 5 µs."""

    def seed(self, key: int) -> None:
        """Seed it."""
        torch.default_generator.manual_seed(key)

    def watch(self, key: int) -> None:
        """Seed it, and remember its state."""
        torch.default_generator.manual_seed(key)
        self._state = torch.default_generator.get_state()

    def drew(self) -> bool:
        """Whether its state is another one."""
        return not torch.equal(self._state, torch.default_generator.get_state())


class OfPython:
    """That of `random`. Its state is 625 objects, so that the next number tells whether it was used; 5 µs."""

    def __init__(self) -> None:
        self._next = random.Random(0).getrandbits(64)

    def seed(self, key: int) -> None:
        """Seed it."""
        random.seed(key)

    def watch(self, key: int) -> None:
        """Put it into a state whose next number is known."""
        random.seed(0)

    def drew(self) -> bool:
        """Whether its next number is another one."""
        return random.getrandbits(64) != self._next


class OfNumpy:
    """That of `numpy.random`, as Python's; 2 µs."""

    def __init__(self) -> None:
        self._next = np.random.RandomState(0).random_sample()

    def seed(self, key: int) -> None:
        """Seed it."""
        np.random.seed(key & SMALL_WORD)

    def watch(self, key: int) -> None:
        """Put it into a state whose next number is known."""
        np.random.seed(0)

    def drew(self) -> bool:
        """Whether its next number is another one."""
        return np.random.random_sample() != self._next


GENERATORS: dict[str, DefaultGenerator] = {"torch": OfTorch(), "random": OfPython(), "numpy": OfNumpy()}


@contextmanager
def keep_draws() -> Iterator[None]:
    """Leave the default generators of torch (CPU), `random` and numpy as they were found; 90 µs, most of it numpy's."""
    of_torch, of_python, of_numpy = torch.default_generator.get_state(), random.getstate(), np.random.get_state()
    try:
        yield
    finally:
        torch.default_generator.set_state(of_torch)
        random.setstate(of_python)
        np.random.set_state(of_numpy)


class Reseeding:
    """`with RESEEDING: …` where the default generators are seeded anew right after, so that what reads rows need not put them back."""

    def __init__(self) -> None:
        self.on = False

    def __enter__(self) -> None:
        self.on = True

    def __exit__(self, *_: object) -> None:
        self.on = False


RESEEDING = Reseeding()


@contextmanager
def keep_draws_unless_reseeded() -> Iterator[None]:
    """As `keep_draws`, and nothing where all are seeded anew afterwards; what is called within keeps what it says it keeps."""
    if not RESEEDING.on:
        with keep_draws():
            yield
        return
    RESEEDING.on = False
    try:
        yield
    finally:
        RESEEDING.on = True

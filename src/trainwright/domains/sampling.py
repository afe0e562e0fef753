"""Samples of which each follows from (seed, its number) alone: they can be made in batches of any size and by any number of processes."""

from __future__ import annotations

import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from trainwright.parallel.world import World

log = logging.getLogger(__name__)

Watch = Callable[[Mapping[str, Any]], None]
"""Told at each step of a sampler: `x`, `i`, `sigma`, `sigma_hat`, `denoised`, as k-diffusion's callbacks are, and `first`, the number of
the first sample of the batch."""
SAYS_EVERY = 10.0
"""Seconds after which it is said again how far it is."""
BATCH_SIZE = 64
"""Samples that are made at once unless a number is asked for."""


class Sampling(ABC):
    """Samples that were asked for: everything is checked and ready to be drawn."""

    shape: tuple[int, ...] = ()
    """Of one sample; pictures (c, h, w)."""
    most: int | None = None
    """How many may be drawn together, where one would else be another for the others; None for any number."""

    @abstractmethod
    def draw(self, first: int, count: int, watch: Watch | None = None) -> Tensor:
        """The samples number `first` to `first + count − 1` (count, …) on the CPU; the same whatever else is drawn."""

    def facts(self) -> dict[str, Any]:
        """How they were made, to be told: the sampler, its steps, calls of the denoiser by now, guidance."""
        return {}

    def labels(self) -> Sequence[str]:
        """The class of each sample by name; empty where they have none."""
        return ()

    def frame(self, told: Mapping[str, Any]) -> Tensor:
        """What a step of a sampler looks like, in the range of the samples (count, …)."""
        shown: Tensor = told["x"]
        return shown


@dataclass
class Drawn:
    """Samples in their order, and what their steps looked like where that was asked for."""

    samples: Tensor
    frames: list[Tensor] = field(default_factory=list)
    """Of each step all samples; the last are the samples themselves."""


def pieces_of(n: int, batch_size: int, world: World | None = None) -> list[tuple[int, int]]:
    """(first, count) of the batches that this process makes of `n` samples: whole ones are dealt out, so that none is another for that."""
    every = [(first, min(batch_size, n - first)) for first in range(0, n, batch_size)]
    return every if world is None else every[world.rank :: world.size]


def draw_all(
    sampling: Sampling,
    n: int,
    batch_size: int = BATCH_SIZE,
    world: World | None = None,
    *,
    watch: Watch | None = None,
    frames: bool = False,
) -> Drawn:
    """All `n` samples (n, …), in every process of `world`; with `frames` also what each step looked like."""
    batch_size = min(batch_size, sampling.most or batch_size)
    found: dict[int, Drawn] = {}
    told = time.monotonic()
    for first, count in pieces_of(n, batch_size, world):
        found[first] = _draw(sampling, first, count, watch, frames)
        if (now := time.monotonic()) - told > SAYS_EVERY and (world is None or world.is_main):
            told = now
            log.info("%s of %s samples", f"{min(first + count, n):,}", f"{n:,}")
    if world is not None and world.size > 1:
        world.barrier(patient=True)  # one may have more to do than the others
        found = {first: each for part in world.gather(found) for first, each in part.items()}
    parts = [found[first] for first in sorted(found)]
    steps = max(len(each.frames) for each in parts)
    shown = [torch.cat([(each.frames[step] if step < len(each.frames) else each.samples) for each in parts]) for step in range(steps)]
    return Drawn(torch.cat([each.samples for each in parts]), shown)


def _draw(sampling: Sampling, first: int, count: int, watch: Watch | None, frames: bool) -> Drawn:
    shown: list[Tensor] = []

    def look(told: Mapping[str, Any]) -> None:
        if frames:
            shown.append(sampling.frame(told).float().cpu())
        if watch is not None:
            watch({**told, "first": first})

    made = sampling.draw(first, count, look if frames or watch is not None else None)
    return Drawn(made, [*shown, made.float()] if frames else [])

"""Brownian motion over noise levels: one path for each sample, the same however many steps a sampler takes along it."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import pairwise

import torch
from torch import Tensor

from trainwright.config.errors import RequestError
from trainwright.domains.diffusion.noise.keyed import STEP, check_keys, computed_in, row_keys, tabled_normal_rows

TOP = 16
"""Paths reach from 0 up to sigma 2**16."""

LEVELS = 8
"""Halvings of an octave: a path is the same to 1/256 of the power of two below sigma, for a thousand steps; closer ones halve on."""

MOST_LEVELS = 40

NUMBERS_AT_ONCE = 1 << 20
"""Normal numbers that are made together for levels that are expected: they stay in the cache of a CPU."""

Bridge = tuple[int, float]
"""The number of an interval of the path, and how much its standard normal number counts for at the time that is asked for."""


class BrownianPath:
    """W(t) of every key for t from 0 to 65,536, a function of the key and t alone: W(0) = 0, and W(t) − W(s) has variance |t − s|.

    Lévy's construction: W at every power of two is a bridge between 0 and twice as far, every octave is halved `LEVELS` times, and there is
    one bridge between neighbours of the last halving. A time takes some ten normal numbers for each place, and no tree is kept. To make a
    path where it is asked for is of Li, Wong, Chen and Duvenaud 2020, "Scalable gradients for stochastic differential equations".
    """

    def __init__(self, keys: Tensor, shape: Sequence[int], *, dtype: torch.dtype = torch.float32) -> None:
        """A path at every place of `shape` for each of `keys` (b,) int64, on their device."""
        check_keys(keys)
        self.keys, self.shape, self.size, self.dtype = keys, tuple(shape), math.prod(shape), computed_in(dtype)
        self.begin()

    def begin(self) -> None:
        """Be at the top: `lower` is W at 2**octave, `upper` at twice that."""
        self.octave = TOP
        self.lower = self.upper = self.normal([(number_of(TOP), 2.0 ** (TOP / 2))])[0]

    def at(self, t: float, levels: int = LEVELS) -> Tensor:
        """W(t) (b, *shape), from octaves that are halved `levels` times."""
        return torch.zeros_like(self.lower) if t == 0 else self.at_each([t], levels)[0]

    def at_each(self, times: Sequence[float], levels: int = LEVELS) -> list[Tensor]:
        """W at several times above 0 that do not rise: the same as one by one, with their normal numbers made together."""
        if octave_of(times[0]) > self.octave:
            self.begin()
        octaves = [self.octave, *(octave_of(t) for t in times)]
        passed = [
            [(number_of(each), 2.0 ** ((each - 1) / 2)) for each in range(above - 1, below - 1, -1)] for above, below in pairwise(octaves)
        ]
        within = [bridges_within(octave, t, levels) for octave, t in zip(octaves[1:], times, strict=True)]
        normal = self.normal([each for row in (*zip(*within, strict=True), *passed) for each in row])
        split = (levels + 1) * len(times)
        added = sum_values(normal[:split].view(levels + 1, len(times), *normal.shape[1:]))
        rows, made = iter(normal[split:]), []
        for t, octave, add, bridges in zip(times, octaves[1:], added, passed, strict=True):
            for _ in bridges:
                self.upper, self.lower = self.lower, torch.add(next(rows), self.lower, alpha=0.5)
            self.octave = octave
            made.append(torch.lerp(self.lower, self.upper, t / 2.0**octave - 1).add_(add))
        return made

    def normal(self, bridges: list[Bridge]) -> Tensor:
        """What every bridge adds (n, b, *shape)."""
        count, rows, device = len(bridges), len(self.keys), self.keys.device
        keys = on_device([[number] for number, _ in bridges], torch.int64, device).mul_(STEP) + self.keys
        made = tabled_normal_rows(keys.view(-1), self.size, self.dtype)
        made.view(count, -1).mul_(on_device([[weight] for _, weight in bridges], self.dtype, device))
        return (made if self.size % 4 == 0 else made[:, : self.size]).reshape(count, rows, *self.shape)


def octave_of(t: float) -> int:
    """The whole number o with 2**o <= t < 2**(o + 1)."""
    return math.frexp(t)[1] - 1


def number_of(octave: int, interval: int = 0) -> int:
    """One number for each interval of an octave: 0 the octave itself, 1 its whole, 2 and 3 its halves, 4 to 7 their halves."""
    return ((octave + 2048) << (MOST_LEVELS + 2)) + interval + 1


@lru_cache(maxsize=1024)
def bridges_within(octave: int, t: float, levels: int) -> list[Bridge]:
    """The intervals of an octave that t lies in, and what their numbers count for in W(t): Schauder's functions, and a bridge in the last.

    There are `levels` + 1, those that t is the end of counting for 0, so that sums go in one order whatever is made together. The deviation
    of a bridge from a to b is √((t − a)(b − t) / (b − a)) at t (Karatzas and Shreve 1988, section 5.6.B).
    """
    low, high, interval = 2.0**octave, 2.0 ** (octave + 1), 1
    bridges: list[Bridge] = []
    for _ in range(levels):
        middle = (low + high) / 2
        share = (t - low if t < middle else high - t) / (middle - low)
        bridges.append((number_of(octave, interval), share * math.sqrt(high - low) / 2))
        right = t >= middle
        low, high, interval = (middle, high, 2 * interval + 1) if right else (low, middle, 2 * interval)
    return [*bridges, (number_of(octave, interval), math.sqrt((t - low) * (high - t) / (high - low)))]


def sum_values(values: Tensor) -> Tensor:
    """Σ values[i] over the first dimension, in halves; `values` are overwritten. The order of `sum` depends on the count of columns."""
    count = len(values)
    while count > 1:
        half = count // 2
        values[:half].add_(values[count - half : count])
        count -= half
    return values[0]


def on_device(numbers: list[list[int]] | list[list[float]], dtype: torch.dtype, device: torch.device) -> Tensor:
    """A tensor of Python's numbers on a device, without waiting for the device."""
    made = torch.tensor(numbers, dtype=dtype)
    if device.type == "cpu":
        return made
    return made.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else made.to(device)


class BrownianNoise:
    """`noise_sampler(sigma, sigma_next)` for stochastic samplers: (W(σ') − W(σ)) / √|σ' − σ|, standard normal, of one path a sample.

    It follows from a sample's key and the two levels alone, so that neither the batch nor the number of steps changes the path.
    """

    def __init__(
        self,
        keys: Tensor,
        shape: Sequence[int],
        sigma_min: float = 0.0,
        sigma_max: float = 2.0**TOP,
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype = torch.float32,
        transform: Callable[[float], float] = float,
    ) -> None:
        """`keys`: int64 (b,), one for each sample. `transform` makes the path's time of sigma. The ends are checked alone.

        Raises RequestError where they are no range within 0 to 65,536.
        """
        if not 0 <= transform(sigma_min) < transform(sigma_max) <= 2.0**TOP:
            raise RequestError(
                f"Brownian noise from sigma_min {sigma_min:g} to sigma_max {sigma_max:g}",
                why=f"it needs 0 <= sigma_min < sigma_max <= {2**TOP:,}",
                fix="give the lowest and the highest level that the sampler passes",
            )
        check_keys(keys)
        self.path = BrownianPath(keys.to(device or keys.device), shape, dtype=dtype)
        self.dtype, self.transform = dtype, transform
        self._known: OrderedDict[tuple[float, int], Tensor] = OrderedDict()
        self._expected: list[float] = []
        self._ahead: dict[float, Tensor] = {}

    def expect(self, sigmas: Sequence[float]) -> None:
        """Say which falling levels will be asked for, one after another: those of small samples are then made several at once.

        The noise is the same; a call after a network's takes three times as long as one after its like.
        """
        times = [t for t in map(self.transform, sigmas) if 0 < t <= 2.0**TOP]
        self._expected = times if all(later < t for t, later in pairwise(times)) else []

    def __call__(self, sigma: float | Tensor, sigma_next: float | Tensor) -> Tensor:
        """The noise of a step (b, *shape); raises RequestError where the levels are equal, negative or above 65,536.

        Give Python's numbers on a GPU: a tensor is waited for.
        """
        start, end = self.transform(float(sigma)), self.transform(float(sigma_next))
        if start == end or not (0 <= start <= 2.0**TOP and 0 <= end <= 2.0**TOP):
            raise RequestError(
                f"Brownian noise from sigma {float(sigma):g} to {float(sigma_next):g}",
                why=f"a step is between two different levels from 0 to {2**TOP:,}",
                fix="give the sampler levels that go down: `sigmas`",
            )
        levels = levels_between(start, end)
        at_start = self._at(start, levels)
        noise = (self._at(end, levels) - at_start).mul_(1 / math.sqrt(abs(end - start)))
        return noise if noise.dtype == self.dtype else noise.to(self.dtype)

    def _at(self, t: float, levels: int) -> Tensor:
        """W(t), and the two that were asked for last are kept: where a step starts, and where its last one ended."""
        made = self._known.pop((t, levels), None)
        self._known[t, levels] = self._make(t, levels) if made is None else made
        if len(self._known) > 2:
            self._known.popitem(last=False)
        return self._known[t, levels]

    def _make(self, t: float, levels: int) -> Tensor:
        """W(t), one of those made before, or with some of the next that are expected."""
        if levels != LEVELS or t not in self._expected:
            return self.path.at(t, levels)
        if t not in self._ahead:
            place = self._expected.index(t)
            times = self._expected[place : place + max(1, NUMBERS_AT_ONCE // ((LEVELS + 2) * max(self.path.lower.numel(), 1)))]
            self._ahead = dict(zip(times, self.path.at_each(times), strict=True))
        return self._ahead.pop(t)


def levels_between(start: float, end: float) -> int:
    """How often an octave is halved so that no interval has both times inside of it: `LEVELS`, and more for times that are very close."""
    octave = octave_of(max(start, end))
    return max(LEVELS, min(octave - math.frexp(abs(end - start))[1] + 1, MOST_LEVELS))


class BrownianTreeNoiseSampler(BrownianNoise):
    """`BrownianNoise` by k-diffusion's name and arguments, for samples `x` (b, …): `seed` is one, or a list with one a sample.

    Sample k of a seed has the same path in batches of any size. Without `seed` one is drawn from torch's generator. `cpu` changes nothing.
    """

    def __init__(
        self,
        x: Tensor,
        sigma_min: float | Tensor,
        sigma_max: float | Tensor,
        seed: int | Sequence[int] | None = None,
        transform: Callable[[float], float] = float,
        cpu: bool = False,
    ) -> None:
        """Raises RequestError where `seed` is a list of another length than the batch, or the levels are no range."""
        super().__init__(
            keys_of_seed(seed, len(x)), x.shape[1:], float(sigma_min), float(sigma_max), device=x.device, dtype=x.dtype, transform=transform
        )


def keys_of_seed(seed: int | Sequence[int] | None, count: int) -> Tensor:
    """The keys (count,) int64 of samples of a seed, or of a seed for each sample."""
    if seed is None:
        seed = int(torch.randint(2**63 - 1, ()))
    if isinstance(seed, int):
        return row_keys(seed, "brownian", rows=range(count))
    if len(seed) != count:
        raise RequestError(f"{len(seed)} seeds for {count} samples", where="seed", fix="give one seed, or one for each sample")
    return torch.cat([row_keys(each, "brownian", rows=range(1)) for each in seed])

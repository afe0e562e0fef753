"""All that is random of samples that are drawn: sample number k of a seed has its own, whatever else is in its batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from trainwright.config.errors import RequestError, nearest
from trainwright.domains.diffusion.noise.brownian import BrownianNoise
from trainwright.domains.diffusion.noise.keyed import mix_words, normal_by_key, row_keys

NoiseSampler = Callable[[float, float], Tensor]
"""`noise_sampler(sigma, sigma_next)` → standard normal numbers like x."""


class SampleNoise:
    """The noise of samples number `first` to `first + count` of a seed, of rows of `shape`."""

    def __init__(
        self,
        seed: int,
        first: int,
        count: int,
        shape: Sequence[int],
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        """Raises RequestError where the numbers of samples are none, or negative."""
        if first < 0 or count < 0:
            raise RequestError(f"{count} samples from number {first}", why="samples are numbered from 0", fix="first=0, count=1 or more")
        self.seed, self.rows, self.shape = seed, range(first, first + count), tuple(shape)
        self.device, self.dtype = torch.device(device), dtype

    def start(self, purpose: str = "start") -> Tensor:
        """Standard normal numbers (count, *shape) to start from, to be multiplied by the first sigma; other purposes have others."""
        return normal_by_key(self._keys(purpose), self.shape, dtype=self.dtype)

    def sampler(self, kind: str = "iid") -> NoiseSampler:
        """What a sampler draws in its steps: "iid", new numbers at every call, or "brownian", one path over sigma for any number of steps.

        Raises RequestError for any other kind.
        """
        if kind == "brownian":
            return BrownianNoise(self._keys("brownian"), self.shape, dtype=self.dtype)
        if kind == "iid":
            return IndependentNoise(self._keys("steps"), self.shape, self.dtype)
        close = nearest(kind, ("iid", "brownian"))
        fix = f"did you mean '{close}'?" if close else "'iid'"
        raise RequestError(f"no noise is called '{kind}'", why="there are iid and brownian", fix=fix)

    def _keys(self, purpose: str) -> Tensor:
        return row_keys(self.seed, f"sample {purpose}", rows=self.rows).to(self.device)


class IndependentNoise:
    """`noise_sampler(sigma, sigma_next)` of new standard normal numbers at every call, by each row's key and the count of calls."""

    def __init__(self, keys: Tensor, shape: Sequence[int], dtype: torch.dtype) -> None:
        """`keys`: int64 (b,)."""
        self.keys, self.shape, self.dtype, self.calls = keys, tuple(shape), dtype, 0

    def __call__(self, sigma: float | Tensor, sigma_next: float | Tensor) -> Tensor:
        """Standard normal numbers (b, *shape); the levels do not matter."""
        self.calls += 1
        return normal_by_key(mix_words(self.keys + self.calls), self.shape, dtype=self.dtype)

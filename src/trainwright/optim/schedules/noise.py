"""Noise on a schedule: normal, limited, drawn from the number of the epoch or step alone, as timm draws it."""

from __future__ import annotations

from trainwright.config.errors import ConfigError
from trainwright.optim.schedules.options import NoiseOptions

MOST_DRAWS = 1000
"""A limit that so many draws do not reach is refused."""


class Noise:
    """1 + noise for each epoch or step between two; the same for equal numbers, whatever was drawn before."""

    def __init__(self, options: NoiseOptions, begin: int, end: int | None, where: str) -> None:
        self.options, self.begin, self.end, self.where = options, begin, end, where
        self._kept = (-1, 1.0)

    def factor(self, step: int, number: int) -> float:
        """What multiplies the learning rate at a step, whose epoch or own number it is drawn from."""
        if step < self.begin or (self.end is not None and step >= self.end):
            return 1.0
        if self._kept[0] != number:
            self._kept = (number, 1 + self._draw(number))
        return self._kept[1]

    def _draw(self, number: int) -> float:
        import torch

        generator = torch.Generator().manual_seed(self.options.seed + number)
        for _ in range(MOST_DRAWS):
            drawn = torch.randn(1, generator=generator).item() * self.options.std
            if abs(drawn) < self.options.limit:
                return drawn
        why = f"{MOST_DRAWS} draws with a deviation of {self.options.std:g} were all beyond {self.options.limit:g}"
        raise ConfigError("this noise is never within its limit", where=f"{self.where}.noise", why=why, fix="raise limit, or lower std")

"""Warm-up, stable, decay (Hu and others 2024, section 4)."""

from __future__ import annotations

import math

from trainwright.config.errors import ConfigError
from trainwright.optim.schedules.base import Extent, FlooredSchedule
from trainwright.optim.schedules.options import WsdOptions


class Wsd(FlooredSchedule):
    """1 after the warm-up, and over the last `decay` steps down to the floor."""

    def __init__(self, options: WsdOptions, extent: Extent) -> None:
        super().__init__(options, extent)
        self.decay, self.decay_shape = extent.at_least_one(options.decay, "decay"), options.decay_shape
        self.stable = extent.total("decay") - self.begins - self.decay
        if self.stable < 0:
            why = f"{self.begins} + {self.decay} steps in a run of {extent.steps}"
            fix = "shorten one of them, or train longer"
            raise ConfigError("warm-up and decay are longer than the run", where=f"{extent.where}.decay", why=why, fix=fix)

    def shape(self, step: int) -> float:
        """The multiplier `step` updates after the warm-up."""
        done = min(max(step - self.stable, 0) / self.decay, 1.0)
        left = {"linear": 1 - done, "cosine": (1 + math.cos(math.pi * done)) / 2, "sqrt": 1 - math.sqrt(done)}[self.decay_shape]
        return self.floor + (1 - self.floor) * left

"""Falls when the monitored metric stops improving."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trainwright.optim.schedules import PlateauOptions
from trainwright.optim.schedules.base import Extent, PureSchedule


class Plateau(PureSchedule):
    """Remembers the best value heard; `patience` evaluations without a better one multiply the learning rate, then a cool-down."""

    def __init__(self, options: PlateauOptions, extent: Extent, higher_is_better: bool = False) -> None:
        super().__init__(options.warmup, extent)
        self.options, self.sign = options, 1.0 if higher_is_better else -1.0
        self.multiplier, self.best, self.waited, self.cooling = 1.0, None, 0, 0  # type: float, float | None, int, int

    def shape(self, step: int) -> float:
        """The multiplier now; the step does not matter."""
        return self.multiplier

    def observe(self, value: float) -> None:
        """Hear the monitored metric of an evaluation; NaN is no improvement."""
        score = self.sign * value
        if score == score and (self.best is None or score > self.best + self.options.min_delta):
            self.best, self.waited = score, 0
        elif self.cooling == 0:
            self.waited += 1
        self.cooling = max(0, self.cooling - 1)
        if self.waited >= self.options.patience:
            self.multiplier = max(self.multiplier * self.options.factor, self.options.floor)
            self.waited, self.cooling = 0, self.options.cooldown

    def state(self) -> dict[str, Any]:
        """The multiplier, the best score and the counts."""
        return {"multiplier": self.multiplier, "best": self.best, "waited": self.waited, "cooling": self.cooling}

    def load(self, state: Mapping[str, Any]) -> None:
        """Take the state back."""
        self.multiplier, self.best = state["multiplier"], state["best"]
        self.waited, self.cooling = state["waited"], state["cooling"]

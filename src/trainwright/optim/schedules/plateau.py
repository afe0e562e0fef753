"""Falls when a metric stops improving."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trainwright.optim.schedules.base import Extent, FlooredSchedule
from trainwright.optim.schedules.options import PlateauOptions


class Plateau(FlooredSchedule):
    """Remembers the best value heard; `patience` evaluations without a better one multiply the learning rate, then a cool-down."""

    def __init__(self, options: PlateauOptions, extent: Extent, higher_is_better: bool = False) -> None:
        super().__init__(options, extent)
        higher = higher_is_better if options.mode == "auto" else options.mode == "max"
        self.options, self.metric, self.sign = options, options.metric, 1.0 if higher else -1.0
        self.multiplier, self.best, self.waited, self.cooling, self.falls = 1.0, None, 0, 0, 0  # type: float, float | None, int, int, int

    def shape(self, step: int) -> float:
        """The multiplier now; the step does not matter."""
        return self.multiplier

    def observe(self, value: float) -> None:
        """Hear the metric of an evaluation; NaN is no improvement."""
        if self._better(self.sign * value):
            self.best, self.waited = self.sign * value, 0
        elif self.cooling == 0:
            self.waited += 1
        self.cooling = max(0, self.cooling - 1)
        if self.waited >= self.options.patience:
            self._fall()

    def _better(self, score: float) -> bool:
        """Whether a score, higher being better, is an improvement; never for NaN."""
        if self.best is None:
            return score == score
        least = self.options.min_delta * abs(self.best) if self.options.relative else self.options.min_delta
        return score > self.best + least

    def _fall(self) -> None:
        self.waited, self.cooling = 0, self.options.cooldown
        if self.options.times is None or self.falls < self.options.times:
            self.multiplier = max(self.multiplier * self.options.factor, self.floor)
            self.falls += 1

    def state(self) -> dict[str, Any]:
        """The multiplier, the best score and the counts."""
        return {name: getattr(self, name) for name in ("multiplier", "best", "waited", "cooling", "falls")}

    def load(self, state: Mapping[str, Any]) -> None:
        """Take the state back."""
        self.multiplier, self.best = state["multiplier"], state["best"]
        self.waited, self.cooling, self.falls = state["waited"], state["cooling"], state.get("falls", 0)

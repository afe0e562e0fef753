"""The rise to the base learning rate before a schedule begins."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class WarmUp:
    """From `start` at step 0 to 1 at step `steps`, in equal differences (linear) or equal ratios (exponential)."""

    steps: int
    start: float | None = None
    """None begins one part above zero: 1 / (steps + 1)."""
    shape: str = "linear"

    def factor(self, step: int, end: float = 1.0) -> float:
        """The multiplier at `step`, below `steps`, on the way to `end`."""
        if self.shape == "exponential":
            start = 1 / (self.steps + 1) if self.start is None else self.start
            return float(start ** (1 - step / self.steps)) * end
        if self.start is None:
            return (step + 1) / (self.steps + 1) * end
        return self.start + (end - self.start) * step / self.steps

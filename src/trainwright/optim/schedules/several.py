"""What schedules made of schedules share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from trainwright.optim.schedules.base import Schedule


class Several:
    """Schedules that act together; each keeps its own state."""

    parts: Sequence[Schedule]
    metric: str | None = None
    """The metric that the parts hear; None for the monitored one."""

    def heard(self) -> Sequence[Schedule]:
        """The parts that hear the metric now."""
        return self.parts

    def observe(self, value: float) -> None:
        """Hear a metric of an evaluation."""
        for part in self.heard():
            part.observe(value)

    def state(self) -> dict[str, Any]:
        """The state of each part, empty when none has any."""
        states = [part.state() for part in self.parts]
        return {"parts": states} if any(states) else {}

    def load(self, state: Mapping[str, Any]) -> None:
        """Take the states back."""
        for part, each in zip(self.parts, state.get("parts", ()), strict=False):
            part.load(each)

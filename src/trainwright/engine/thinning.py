"""Which lines of a long run are shown: each at first, ever fewer later, so that a run of any length stays on a screen."""

from __future__ import annotations

import math

EACH = 5
"""About so many lines are shown one after another before they thin."""
FURTHER = 10
"""How much longer a run is taken to be than what it has done, where its length is not known."""


class Thinning:
    """Shows some `most` lines of a run, evenly over the logarithm of its length: curves change early, and few runs reach their limit."""

    def __init__(self, most: int) -> None:
        self.most, self.offered, self.shown = most, 0, 0

    def shows(self, done: float) -> bool:
        """Whether the line that is offered is shown, with the share `done` of the run behind it; 0 where that is not known."""
        self.offered += 1
        expected = self.offered / done if done > 0 else self.offered * FURTHER
        due = self.most * math.log1p(self.offered / EACH) / math.log1p(expected / EACH)
        chosen = self.offered == 1 or expected <= self.most or due >= self.shown + 1
        self.shown += chosen
        return chosen

    @property
    def hidden(self) -> int:
        """How many lines were not shown."""
        return self.offered - self.shown

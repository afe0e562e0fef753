"""Where the time of a run goes: each moment belongs to one phase."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

PHASES = ("train", "evaluate", "checkpoint", "other")


class PhaseTimer:
    """Seconds per phase. Time passes in `train` unless a `with timing.phase(…)` block says otherwise; nothing is measured per step."""

    def __init__(self) -> None:
        self.seconds = dict.fromkeys(PHASES, 0.0)
        self._current, self._since = "other", time.perf_counter()

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Count the time of the block to a phase."""
        before = self._enter(name)
        try:
            yield
        finally:
            self._enter(before)

    def _enter(self, name: str) -> str:
        now = time.perf_counter()
        self.seconds[self._current] += now - self._since
        before, self._current, self._since = self._current, name, now
        return before

    def read(self) -> dict[str, float]:
        """Seconds per phase until now."""
        self._enter(self._current)
        return dict(self.seconds)

    def load(self, seconds: Mapping[str, float]) -> None:
        """Continue from the seconds of the run so far."""
        self._enter(self._current)
        self.seconds = {phase: float(seconds.get(phase, 0.0)) for phase in PHASES}

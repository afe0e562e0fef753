"""Where in a run a batch is, for transforms that change over it. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass

from trainwright.config.durations import Duration
from trainwright.config.errors import ConfigError


@dataclass(frozen=True)
class BatchPlace:
    """Where in the run a batch is, as a function of its number."""

    batches: int = 0
    """Batches before it."""
    epochs: float = 0.0
    """Passes over the rows before it, with the part of the last."""
    share: float | None = 0.0
    """Of the whole run; None where its length is not known."""

    def part_of(self, duration: Duration, where: str) -> float:
        """Which part of a time from the beginning of the run is over, 1 and more once it is. Raises ConfigError for what is not known."""
        if duration.kind == "time":
            raise ConfigError(f"'{duration}' is a time; batches are not", where=where, fix="write for example '2 epochs' or '0.8 run'")
        if duration.kind == "run" and self.share is None:
            fix = "set trainer.max_epochs or trainer.max_steps, or count in epochs or steps"
            raise ConfigError(f"'{duration}' is of a run whose length is not known", where=where, why="only a time limits it", fix=fix)
        now = {"epochs": self.epochs, "steps": float(self.batches), "run": self.share or 0.0}[duration.kind]
        return now / duration.value if duration.value else 1.0

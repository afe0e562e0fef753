"""What was tuned, as the run keeps it (tuning.json) and as a person reads it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from trainwright.engine.tuning.batch_size import BatchTuning
from trainwright.engine.tuning.learning_rate import RangeTest
from trainwright.files.text import read_json, write_json

TUNING = "tuning.json"
"""The file in the run directory."""
FORMAT = 1


@dataclass
class Tuning:
    """What was measured before the first step, and the numbers that came of it."""

    batch: BatchTuning | None = None
    rate: RangeTest | None = None
    chosen: dict[str, int | float] = field(default_factory=dict)
    """Options of `trainer:` by their dotted name (`batch_size`, `optimizer.learning_rate`) → number."""

    def as_json(self) -> dict[str, Any]:
        """The content of tuning.json."""
        found: dict[str, Any] = {"format": FORMAT, "chosen": self.chosen}
        found |= {} if self.batch is None else {"batch_size": self.batch.as_json()}
        return found | ({} if self.rate is None else {"learning_rate": self.rate.as_json()})

    def write(self, run: Path) -> None:
        """Keep it in the run directory; what an earlier tuning there found is kept beside it. Raises RunError when it cannot be written."""
        run.mkdir(parents=True, exist_ok=True)
        before = read_json(run / TUNING) or {}
        chosen = dict(before.get("chosen", {})) | self.chosen
        write_json(run / TUNING, {**before, **self.as_json(), "chosen": chosen}, sync=True)

    def lines(self) -> list[str]:
        """What was chosen and why, one sentence each."""
        found = []
        if self.batch is not None:
            because = {
                "memory": "larger ones do not fit",
                "rows": "a larger one was not asked for",
                "speed": "larger ones are no faster",
                "time": "the time for trying was over",
            }
            name = self.batch.option.replace("_", "-").replace("batch-size", "batch size")
            tried, seconds = len(self.batch.trials), self.batch.seconds
            found.append(f"{name} {self.batch.chosen}: {tried} sizes tried in {seconds:.1f} s; {because[self.batch.limited_by]}")
        if self.rate is not None:
            steps, seconds = len(self.rate.rates), self.rate.seconds
            word = f"{self.rate.chosen:g}" if self.rate.chosen is not None else "not found (no rate lowered the loss)"
            found.append(f"learning rate {word}: range test of {steps} steps in {seconds:.1f} s")
        return found

    def text(self) -> str:
        """Tables and sentences."""
        parts = [each.table() for each in (self.batch, self.rate) if each is not None]
        return "\n\n".join([*parts, "\n".join(self.lines())])


def chosen_before(run: Path) -> Mapping[str, int | float]:
    """The numbers that a run found when it began, by dotted name; empty where it found none. Raises RunError when the file is damaged."""
    found = read_json(run / TUNING)
    chosen = found.get("chosen") if isinstance(found, dict) else None
    return chosen if isinstance(chosen, dict) else {}

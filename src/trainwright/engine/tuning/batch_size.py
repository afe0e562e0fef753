"""The batch size that is fastest and fits: doubling until it does not, then halving the gap between the last good and the first bad."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from trainwright.config.errors import TrainwrightError
from trainwright.engine.tuning.trials import Trial

START = 8
"""The first size tried; smaller ones only where it does not fit."""
FINE, GRAIN = 32, 8
"""Above `FINE` rows, sizes within the gap are multiples of `GRAIN`, which suit the matrix units of processors."""
FLAT = 2
"""Doublings without a gain in throughput after which a larger size is not tried."""

Measure = Callable[[int], Trial]
Agree = Callable[[int], int]
OnBest = Callable[[int, float, int], None]
"""Told of a size that is faster than all before: the size, its samples per second, and how many were tried."""


@dataclass(frozen=True)
class BatchTuning:
    """What was tried, and what was chosen."""

    option: str
    """`batch_size` or `micro_batch_size`."""
    chosen: int
    trials: list[Trial]
    limited_by: str
    """Why no larger size was tried: `memory`, `rows`, `speed` (it was no faster any more), `time` or `trials`."""
    seconds: float
    device: str = ""

    @property
    def largest(self) -> int:
        """The largest size that was seen to fit."""
        return max(self._size(each) for each in self.trials if each.fits)

    def _size(self, trial: Trial) -> int:
        size: int = getattr(trial, self.option)
        return size

    def as_json(self) -> dict[str, Any]:
        """The content of its entry in tuning.json."""
        tried = [asdict(each) | {"samples_per_second": each.samples_per_second or None} for each in self.trials]
        entry = {"option": self.option, "chosen": self.chosen, "largest": self.largest, "limited_by": self.limited_by}
        return entry | {"seconds": self.seconds, "device": self.device, "trials": tried}

    def table(self) -> str:
        """The trials as aligned text, the chosen one marked."""
        rows = [("batch", "micro-batch", "ms per step", "samples/s", "peak MiB", "")]
        for each in self.trials:
            milliseconds = f"{1000 * each.seconds:.2f}" if each.seconds else "–"
            speed = f"{each.samples_per_second:,.0f}" if each.seconds else "–"
            peak = f"{each.peak_bytes / 2**20:,.0f}" if each.peak_bytes else "–"
            word = "chosen" if each.fits and self._size(each) == self.chosen else "" if each.fits else each.verdict
            rows.append((str(each.batch_size), str(each.micro_batch_size), milliseconds, speed, peak, word))
        return align(rows)


def align(rows: Sequence[Sequence[str]]) -> str:
    """Columns of numbers, to the right; the last column is words."""
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    lines = ("  ".join([*(cell.rjust(size) for cell, size in zip(row[:-1], widths, strict=False)), row[-1]]) for row in rows)
    return "\n".join(line.rstrip() for line in lines)


class Search:
    """Finds the sizes worth trying; `measure` tries one. A time limit is looked at between trials."""

    def __init__(
        self,
        measure: Measure,
        *,
        largest: int,
        smallest: int = 1,
        tolerance: float = 0.05,
        max_time: float = 30.0,
        max_trials: int | None = None,
        halving_limit: int | None = None,
        on_best: OnBest | None = None,
    ) -> None:
        self.measure, self.largest, self.smallest, self.tolerance = measure, largest, min(smallest, largest), tolerance
        self.trials: dict[int, Trial] = {}
        self.limited_by = "rows"
        self._deadline = time.perf_counter() + max_time
        self._most, self._halvings, self._on_best = max_trials, halving_limit, on_best

    def run(self) -> int:
        """The size that is chosen. Raises TrainwrightError when not even the smallest fits."""
        good, bad = self._double(*self._first())
        if bad is not None:
            self.limited_by = "memory"
            if self.fast_enough(good):
                self._bisect(good, bad)
        return self.choose()

    def choose(self) -> int:
        """The smallest of the sizes that fit whose throughput is within the tolerance of the best."""
        return min(size for size, trial in self.trials.items() if trial.fits and self.fast_enough(size))

    def fast_enough(self, size: int) -> bool:
        """Whether a size is within the tolerance of the best."""
        best = max(each.samples_per_second for each in self.trials.values() if each.fits)
        return self.trials[size].samples_per_second >= (1 - self.tolerance) * best

    def _try(self, size: int) -> bool:
        best = max((each.samples_per_second for each in self.trials.values() if each.fits), default=0.0)
        found = self.trials[size] = self.measure(size)
        if self._on_best is not None and found.fits and found.samples_per_second > best:
            self._on_best(size, found.samples_per_second, len(self.trials))
        return found.fits

    def _late(self) -> bool:
        if self._most is not None and len(self.trials) >= self._most:
            self.limited_by = "trials"
            return True
        if time.perf_counter() < self._deadline:
            return False
        self.limited_by = "time"
        return True

    def _first(self) -> tuple[int, int | None]:
        """The first size that fits, and the smallest that did not, if any."""
        size, bad = max(min(START, self.largest), self.smallest), None
        while not self._try(size):
            self._refuse_more(size)
            if size == self.smallest:
                fix = "use a smaller model, trainer.precision: bf16, or trainer.modes.activation_checkpointing"
                raise TrainwrightError(f"memory runs out with {size} rows at once", where="trainer.batch_size", fix=fix)
            bad, size = size, max(size // 2, self.smallest)
        return size, bad

    def _refuse_more(self, size: int) -> None:
        """Raise TrainwrightError where no smaller size may be tried."""
        tried = len(self.trials)
        for name, most in (("halving_limit", self._halvings), ("max_trials", None if self._most is None else self._most - 1)):
            if most is not None and tried > most and size != self.smallest:
                what = f"memory runs out with {size} rows at once, and trainer.tuning.{name} allows no smaller size to be tried"
                raise TrainwrightError(what, where=f"trainer.tuning.{name}", fix="raise it, or give trainer.batch_size")

    def _double(self, good: int, bad: int | None) -> tuple[int, int | None]:
        """Double while it fits, is faster, and there is time."""
        flat, best = 0, self.trials[good].samples_per_second
        while bad is None and good < self.largest and not self._late():
            size = min(good * 2, self.largest)
            if not self._try(size):
                return good, size
            good, speed = size, self.trials[size].samples_per_second
            flat = 0 if speed > best * (1 + self.tolerance) else flat + 1
            best = max(best, speed)
            if flat >= FLAT and good < self.largest:
                self.limited_by = "speed"
                break
        return good, bad

    def _bisect(self, good: int, bad: int) -> None:
        while (size := between(good, bad)) and not self._late():
            if self._try(size):
                good = size
            else:
                bad = size


def between(good: int, bad: int) -> int:
    """The size to try between two, in the middle and round; 0 when there is none left."""
    middle = (good + bad) // 2
    if middle > FINE:
        middle -= middle % GRAIN
        middle += GRAIN if middle <= good else 0
    return middle if good < middle < bad else 0


def tune(measure: Measure, option: str, *, agree: Agree = int, device: str = "", **limits: Any) -> BatchTuning:
    """Search the size with the highest throughput. `agree` makes one number of those that the ranks chose: the smallest."""
    started = time.perf_counter()
    search = Search(measure, **limits)
    chosen = agree(search.run())
    tried = [search.trials[size] for size in sorted(search.trials)]
    return BatchTuning(option, chosen, tried, search.limited_by, time.perf_counter() - started, device)

"""The learning-rate range test (Smith 2017): a rate that rises at every step, and what the loss does meanwhile."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import fsum
from statistics import median
from typing import Any

import torch

from trainwright.engine.loop import train_step
from trainwright.engine.pieces import order_of
from trainwright.engine.session import Session

WINDOW = 0.33
"""Decades of the rate to each side over which the loss is averaged."""
RISE = 4.0
"""The test ends when the averaged loss is this many times its best."""
FEWEST = 10
"""Steps before the test may end, and of whose losses the median is the level at the start."""
FALL = 0.02
"""Share of the loss that must be won, or no rate is chosen."""
BELOW = 3.0
"""The rate that is chosen lies this factor below the one with the least averaged loss, away from the edge where a run is unstable.

Measured on seven small tables, with AdamW and SGD, five orders of rows each, against a grid of rates: of what a rate can win on the
validation rows, the choice misses 1 % on average and 7 % at worst; the point of steepest descent misses 6 %, and at worst all of it.
"""


@dataclass(frozen=True)
class RangeTest:
    """The loss at rising learning rates, and the rate that is chosen."""

    rates: list[float]
    losses: list[float]
    """Mean loss of each step's rows, before its update."""
    chosen: float | None
    """None when no rate lowered the loss."""
    seconds: float = 0.0

    @property
    def smoothed(self) -> list[float]:
        """The losses averaged over their neighbours."""
        return smooth(self.losses, neighbours(self.rates))

    def as_json(self) -> dict[str, Any]:
        """The content of its entry in tuning.json."""
        names = {"rates": self.rates, "losses": self.losses, "smoothed": self.smoothed}
        return {"chosen": self.chosen, "seconds": self.seconds, **names}

    def table(self, lines: int = 12) -> str:
        """Some points of the curve as aligned text."""
        from trainwright.engine.tuning.batch_size import align

        last = len(self.rates) - 1
        places = sorted({round(place * last / max(lines - 1, 1)) for place in range(lines)})
        smoothed = self.smoothed
        return align([("learning rate", "loss", ""), *((f"{self.rates[i]:.2e}", f"{smoothed[i]:.4g}", "") for i in places)])


def smooth(losses: list[float], each_side: int) -> list[float]:
    """Mean of each loss with so many on each side, as far as there are any."""
    windows = (losses[max(place - each_side, 0) : place + each_side + 1] for place in range(len(losses)))
    return [fsum(window) / len(window) for window in windows]


def neighbours(rates: Sequence[float]) -> int:
    """How many rates lie within `WINDOW` decades on each side of one."""
    return round(WINDOW / math.log10(rates[1] / rates[0])) if len(rates) > 1 else 0


def rates_between(low: float, high: float, count: int) -> list[float]:
    """`count` rates from `low` to `high` in equal ratios."""
    return [low * (high / low) ** (place / (count - 1)) for place in range(count)]


def range_test(session: Session, *, low: float = 1e-7, high: float = 10.0, steps: int = 100, max_time: float = 30.0) -> RangeTest:
    """Train with a rising rate on the rows that a run begins with, until the loss leaves the ground. Waits for the device at every step."""
    started, rates = time.perf_counter(), rates_between(low, high, steps)
    losses: list[float] = []
    session.optimizer.learning_rate = low
    for rate, indices in zip(rates, _batches(session), strict=False):
        session.optimizer.base_learning_rate = rate
        batch = session.parts.for_step(session.train.take(indices), session.plan, session.batches_seen)
        train_step(session, batch, 0, rows=len(indices))
        session.position.batches_seen += 1
        losses.append(session.logs.running_loss.means()["loss"])
        session.logs.running_loss.reset()
        session.logs.running_metrics.reset()
        if left_the_ground(losses, neighbours(rates)) or time.perf_counter() - started > max_time:
            break
    if losses and not math.isfinite(losses[-1]):
        losses.pop()
    rates = rates[: len(losses)]
    return RangeTest(rates, losses, suggest_rate(rates, losses), time.perf_counter() - started)


def _batches(session: Session) -> Iterator[torch.Tensor]:
    """The rows of each step, epoch after epoch in the order of the run."""
    plan, epoch = session.plan, 0
    while True:
        order = order_of(session.train, session.seed, epoch, plan).to(session.parts.order_device)
        for index in range(plan.steps_per_epoch):
            start, end = plan.bounds(index)
            yield order[start:end]
        epoch += 1


def left_the_ground(losses: list[float], each_side: int) -> bool:
    """Whether the loss is not finite, or its averaged value is `RISE` times the best; losses below zero are measured by their size."""
    if not math.isfinite(losses[-1]):
        return True
    if len(losses) < FEWEST:
        return False
    smoothed = smooth(losses, each_side)
    best = min(smoothed)
    return smoothed[-1] > best + (RISE - 1) * max(abs(best), 0.1 * abs(smoothed[0]))


def suggest_rate(rates: list[float], losses: list[float]) -> float | None:
    """The rate `BELOW` the one where the averaged loss is least, to two digits; None when the loss was never worth it."""
    if len(losses) < FEWEST:
        return None
    each_side, level = neighbours(rates), median(losses[:FEWEST])
    averaged = smooth(losses, each_side)
    least = min(range(each_side + 1, len(averaged)), key=averaged.__getitem__, default=0)  # the first means are of too few
    if level - averaged[least] < FALL * abs(level):
        return None
    return float(f"{rates[least] / BELOW:.2g}")

"""Schedules one after the other."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import replace

from trainwright.config.errors import ConfigError
from trainwright.optim.schedules.base import Extent, Schedule
from trainwright.optim.schedules.build import build_schedule, metric_of
from trainwright.optim.schedules.options import ChainedOptions
from trainwright.optim.schedules.several import Several


class Chained(Several):
    """Each part in its stretch of the run, its steps counted from there; the last one goes on beyond its end."""

    def __init__(self, options: ChainedOptions, extent: Extent, higher_is_better: bool = False) -> None:
        self.metric = metric_of(options, extent.where)
        self.starts, lengths = [0], []
        for number, part in enumerate(options.parts):
            lengths.append(self._length(number, None if part.lasts is None else extent.at_least_one(part.lasts, _lasts(number)), extent))
            self.starts.append(self.starts[-1] + (lengths[-1] or 0))
        self.starts.pop()
        self.parts = [
            build_schedule(part.schedule, replace(extent, steps=length, where=f"{extent.where}.parts.{number}.schedule"), higher_is_better)
            for number, (part, length) in enumerate(zip(options.parts, lengths, strict=True))
        ]
        self.current = 0

    def _length(self, number: int, asked: int | None, extent: Extent) -> int | None:
        """Steps of a part: what it asks, or what is left; None when that is not known."""
        start = self.starts[-1]
        left = None if extent.steps is None else extent.steps - start
        if left is not None and (left < 1 or (asked or 0) > left):
            end = "" if asked is None else f", {start + asked} with it"
            why = f"the parts before it take {start} steps{end}; the run has {extent.steps}"
            what = f"part {number + 1} does not fit into the run"
            raise ConfigError(what, where=f"{extent.where}.{_lasts(number)}", why=why, fix="shorten the parts, or train longer")
        return left if asked is None else asked

    def factor(self, step: int) -> float:
        """The multiplier at `step`, from the part it is in, which then is the one that hears metrics."""
        self.current = bisect_right(self.starts, step) - 1
        return self.parts[self.current].factor(step - self.starts[self.current])

    def heard(self) -> Sequence[Schedule]:
        """The part that the run is in: one that waits for its turn counts no evaluations."""
        return self.parts[self.current : self.current + 1]


def _lasts(number: int) -> str:
    return f"parts.{number}.lasts"

"""When how much is pruned: at once, or along the cubic of Zhu and Gupta (2017)."""

from __future__ import annotations

from dataclasses import dataclass

from trainwright.config.durations import Duration
from trainwright.config.errors import ConfigError
from trainwright.engine.callbacks.options import PruningOptions
from trainwright.optim.schedules.base import Extent


@dataclass(frozen=True)
class Steps:
    """The steps after which something is pruned, counted from the beginning, and which share of the amount is zero from there on."""

    first: int
    last: int
    every: int = 1
    initial: float = 0.0

    def latest(self, step: int) -> int | None:
        """The newest of them that is not after `step`; None before the first."""
        if step < self.first:
            return None
        return self.last if step >= self.last else step - (step - self.first) % self.every

    def share(self, step: int) -> float:
        """1 + (initial − 1)·(1 − t)³ with t from 0 at the first to 1 at the last of them: eq. 1, divided by the final sparsity."""
        if step >= self.last:
            return 1.0
        done = (step - self.first) / (self.last - self.first)
        return 1.0 + (self.initial - 1.0) * (1.0 - done) ** 3


def planned_steps(asked: PruningOptions, lengths: Extent, where: str) -> Steps:
    """The steps of a schedule in a run. Raises ConfigError for one that ends before it begins, or after the run."""
    one_shot = asked.schedule == "one_shot"
    begin = Duration(0, "steps") if one_shot else Duration(0.2, "run")
    first = lengths.in_steps(asked.start or begin, "start")
    last = first if one_shot else lengths.in_steps(asked.end, "end")
    if last < first or (last == first and not one_shot):
        why = f"start is step {first}, end step {last}"
        raise ConfigError("pruning ends before it begins", where=f"{where}.end", why=why, fix="end later, for example '0.75 run'")
    if lengths.steps is not None and last > lengths.steps:
        name = "start" if one_shot else "end"
        why = f"{name} is step {last} of a run of {lengths.steps}"
        raise ConfigError("the run ends before all is pruned", where=f"{where}.{name}", why=why, fix="prune earlier, or train longer")
    return Steps(first, last, 1 if one_shot else max(lengths.in_steps(asked.every, "every"), 1), asked.initial)

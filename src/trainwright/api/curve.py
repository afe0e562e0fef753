"""The learning rate of a run over its steps, known before anything is trained."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from trainwright.api.kinds import prepare_run
from trainwright.config.model import PartConfig
from trainwright.data.source import Source
from trainwright.engine.assembly import normalises_over_batch
from trainwright.engine.plan import Plan, make_plan
from trainwright.files.outputs import write_output
from trainwright.optim.build import base_learning_rate, own_weight_decay
from trainwright.optim.parameter_groups import ParameterGroup, parameter_groups
from trainwright.optim.schedules.base import Extent, Schedule
from trainwright.optim.schedules.build import build_schedule, listens
from trainwright.systems.run_config import Config

SHOWN_EPOCHS = 10
"""How much is drawn of a run that only a time limits."""


@dataclass(frozen=True)
class Curve:
    """One learning rate over the steps: that of the optimizer, or of parameters with a schedule of their own."""

    label: str
    kind: str
    """The type of the schedule."""
    base: float
    """Base learning rate; 1 where it is found only in training, and the curve then is a share of it."""
    schedule: Schedule

    def at(self, step: int) -> float:
        """The learning rate of the update made at `step`, the number of updates before it."""
        return self.base * self.schedule.factor(step)

    @property
    def warmup(self) -> int:
        """Steps of the warm-up."""
        return int(getattr(self.schedule, "warmup", 0))


@dataclass(frozen=True)
class Curves:
    """The learning rates of a run with the lengths they follow from."""

    plan: Plan
    lines: list[Curve]
    groups: list[ParameterGroup]
    """Parameters whose learning rate is a multiple of a line's; empty when all parameters have the optimizer's."""
    notes: list[str]

    @property
    def steps(self) -> int:
        """Steps drawn: all of the run, or its first epochs when only a time limits it."""
        return self.plan.max_steps or SHOWN_EPOCHS * self.plan.steps_per_epoch

    @property
    def warmup(self) -> int:
        """Steps of the optimizer's warm-up."""
        return self.lines[0].warmup

    def landmarks(self) -> dict[int, str]:
        """Steps worth a look, and what they are: the first two, the end of the warm-up, the quarters, the last."""
        last = self.steps - 1
        named = [(0, "first"), (1, "second"), (self.warmup, "warmed up")]
        named += [(round(last * share), word) for share, word in ((0.25, "1/4"), (0.5, "1/2"), (0.75, "3/4"))] + [(last, "last")]
        found: dict[int, str] = {}
        for step, word in named:
            if 0 <= step <= last:
                found[step] = word if step == last else found.get(step, word)
        return dict(sorted(found.items()))

    def sample_rates(self, steps: Iterable[int]) -> dict[int, list[float]]:
        """Step → the learning rate of each line; asked in order, because a torch scheduler only goes forward."""
        return {step: [line.at(step) for line in self.lines] for step in sorted(set(steps))}

    def spread(self, count: int) -> list[int]:
        """At most `count` steps, the first and the last among them, evenly."""
        last = self.steps - 1
        if count > last:
            return list(range(self.steps))
        return sorted({round(place * last / max(count - 1, 1)) for place in range(count)})

    def write_csv(self, path: str | Path, points: int | None = None) -> None:
        """Write step, epoch and learning rate of every step, or of `points` of them. Raises RequestError where it cannot."""
        names = ["learning_rate", *(f"learning_rate/{line.label}" for line in self.lines[1:])]
        with write_output(path, where="--csv") as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
            rows = csv.writer(file)
            rows.writerow(["step", "epoch", *names])
            for step in self.spread(points) if points else range(self.steps):
                rows.writerow([step, step // self.plan.steps_per_epoch, *(repr(line.at(step)) for line in self.lines)])


def learning_rate_curves(config: Config, source: Source | None = None) -> Curves:
    """The learning rates that training with `config` would use; reads the data for the number of its rows, and writes nothing.

    Raises ConfigError or DataError for what training would refuse.
    """
    prepared = prepare_run(config, source)
    system, rows = prepared.system, prepared.splits["train"]
    plan = make_plan(config.trainer, len(rows), normalises_over_batch(system) and not rows.batched, rows.batched)
    return curves_of(config.trainer, plan, system)


def curves_of(trainer: Any, plan: Plan, system: Any) -> Curves:
    """The curves of a `trainer:` section: the optimizer's, and one for each schedule that a rule of `parameters` brings."""
    base, notes = base_learning_rate(trainer.optimizer), []
    extent = replace(plan.extent, learning_rate=base or None)
    if not base:
        notes.append("the base learning rate is found in training; what is shown is the share of it")
    lines = [_line("learning rate", trainer.schedule, extent)]
    options = getattr(trainer, "parameters", None)
    groups = [] if options is None else parameter_groups(options, system, base, own_weight_decay(trainer.optimizer))
    lines += [_line(group.label, group.schedule, _extent_of(group, extent)) for group in _leaders(groups) if group.schedule is not None]
    if len(groups) < 2:
        groups = []
    if plan.max_steps is None:
        notes.append(f"only a time limits this run; the first {SHOWN_EPOCHS} epochs are shown")
    shown = [trainer.schedule, *(each.schedule for each in _leaders(groups))]
    notes += _of_schedules([each for each in shown if each is not None])
    return Curves(plan, lines, groups, notes)


def _line(label: str, options: PartConfig, extent: Extent) -> Curve:
    return Curve(label, options.type, extent.learning_rate or 1.0, build_schedule(options, extent))


def _leaders(groups: Sequence[ParameterGroup]) -> list[ParameterGroup]:
    """The first group of each schedule of its own."""
    first: dict[int, ParameterGroup] = {}
    for group in groups:
        if group.schedule is not None:
            first.setdefault(id(group.schedule), group)
    return list(first.values())


def _extent_of(group: ParameterGroup, extent: Extent) -> Extent:
    rate = None if extent.learning_rate is None else extent.learning_rate * group.scale or None
    return replace(extent, learning_rate=rate, where="trainer.parameters.rules.schedule")


def _of_schedules(schedules: Sequence[PartConfig]) -> list[str]:
    notes = []
    if any(listens(each) for each in schedules):
        notes.append("plateau falls when its metric stops improving; no fall is drawn")
    if any(each.type.rpartition(".")[2] in ("one_cycle", "OneCycleLR", "CyclicLR") for each in schedules):
        notes.append("only the learning rate cycles; the momentum stays as it is")
    return notes

"""Some rows tried before and after a model is dealt over processes: the loss must be the same, or the strategy does not fit the system."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from trainwright.config.errors import FOREIGN, ConfigError
from trainwright.data.rows import Rows
from trainwright.engine.precision import Precision
from trainwright.engine.recovery import Buffers
from trainwright.engine.step_result import as_loss
from trainwright.engine.system import Loss, NoStep, StepContext, System, rows_in, to_device
from trainwright.nn.untouched import untouched
from trainwright.parallel.strategies.base import Strategy

WHERE = "trainer.strategy"
MOST = 4
"""Rows that are tried."""
NEAR = {"fp32": 1e-4, "tf32": 1e-2, "bf16": 5e-2, "fp16": 2e-2}
"""How far the two losses may be apart, by the format of the arithmetic; rounding alone stays below."""


class StrategyTrial:
    """What the first rows give as the person wrote it, in training mode, and again by all processes once the model is dealt."""

    def __init__(self, system: System, strategy: Strategy, rows: Rows, precision: Precision, device: torch.device) -> None:
        """Tries it as it is, where the strategy deals the model and the rows can be read twice."""
        self._system, self._strategy, self._precision = system, strategy, precision
        self._batch = first_rows(rows, system, device) if strategy.deals_model and not rows.single_pass and not rows.iterable else None
        self._before: float | None = None
        if self._batch is not None:
            with untouched(system):
                self._before = self._loss()

    def compare(self) -> None:
        """Raise ConfigError where the dealt model gives another loss, or fails."""
        if self._before is None:
            return  # what is wrong with it by itself is told by its first step
        buffers = Buffers(self._system, needed=True)
        kept = buffers.copy()
        now, said = None, ""
        try:
            with outside(self._system):
                now = self._loss(raising=True)
        except (NoStep, *FOREIGN) as error:
            said = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
        finally:
            buffers.restore(kept)
        name = self._strategy.name
        near = NEAR[self._precision.options.type] * max(abs(self._before), 1e-3)
        if now is not None and abs(now - self._before) <= near:
            return
        self._strategy.release(self._system, whole=True)
        what = f"strategy '{name}' cannot take {self._system.shown_name} as it is set"
        why = said or f"the loss of the first rows is {now:.6g} under it, and {self._before:.6g} as it is written"
        raise ConfigError(what, where=WHERE, why=why, fix=FIXES[name])

    def _loss(self, raising: bool = False) -> float | None:
        """The mean loss of the rows with the same random numbers each time."""
        torch.manual_seed(0)
        context = StepContext(0, 0, 0.0, torch.default_generator)
        try:
            with torch.no_grad(), self._precision.forward(), self._system.rehearsing():
                value: Any = self._system.training_step(self._batch, context)
                found = value if isinstance(value, Loss) else as_loss(value, rows_in(self._batch), self._system.loss_weights(context))
        except (NoStep, *FOREIGN):
            if raising:
                raise
            return None
        total = found.total if found.mean is None else found.mean * found.count
        return float(total.detach()) / float(found.count) if float(found.count) else None


FIXES = {
    "fsdp": "take modules whose weights are used outside of their forward out of groups.match; or use ddp or zero",
    "tp": "take layers out of the plan whose split outputs are not taken as they are, or set their output: whole; or use fsdp or ddp",
}


def first_rows(rows: Rows, system: System, device: torch.device) -> Any:
    """A few rows as a step is given them; None where they cannot be read here."""
    try:
        batch = rows.take(torch.arange(min(1 if rows.batched else MOST, len(rows))).to(rows.device))
        return system.as_evaluated(to_device(batch, device))
    except FOREIGN:
        return None  # told when the run reads them


@contextmanager
def outside(system: System) -> Iterator[None]:
    """Random numbers as they were, afterwards."""
    devices = {each.device.index or 0 for each in (*system.parameters(), *system.buffers()) if each.device.type == "cuda"}
    with torch.random.fork_rng(devices=sorted(devices)):
        yield

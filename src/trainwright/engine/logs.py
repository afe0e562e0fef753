"""What a run says of itself in numbers: sums since the last row, and the rows that were logged."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from torch import Tensor

from trainwright.checkpoint.names import COLUMNS
from trainwright.config.errors import TrainwrightError, did_you_mean
from trainwright.engine.running import RunningLoss, RunningValues
from trainwright.engine.running_metrics import RunningMetrics
from trainwright.parallel.world import World

log = logging.getLogger("trainwright.engine")

Reduction = Literal["mean", "sum", "last"]
REDUCTIONS = ("mean", "sum", "last")
OWN_COLUMNS = (*COLUMNS, "train/loss", "validation/loss")
"""Columns of rows that no logged value may take the place of."""


@dataclass
class Logs:
    """The numbers of a run between two rows, and its rows."""

    running_metrics: RunningMetrics
    running_loss: RunningLoss = field(default_factory=RunningLoss)
    running_values: RunningValues = field(default_factory=RunningValues)
    gradient_norm: Tensor | None = None
    """Global 2-norm before clipping of the last step that measured it, on the device."""
    history: list[dict[str, float]] = field(default_factory=list)
    """Every logged row."""
    names_taken: set[str] = field(default_factory=set)
    """Names of logged values that are columns of the run itself, and of which that was said."""

    def gather_at_rank_0(self, world: World) -> None:
        """Before rank 0 writes or measures what steps left: bring that of all processes to it. Nothing to do for one."""
        if world.size > 1:
            self.running_loss.gather_at_rank_0()
            self.running_values.gather(world)
            self.running_metrics.gather_at_rank_0(world)

    def keep_at_rank_0(self, world: World) -> None:
        """After a checkpoint was loaded, whose sums are those of all processes: rank 0 has them, the others go on from nothing."""
        if not world.is_main:
            self.running_loss.drop_sums()
            self.running_values.reset()
            self.running_metrics.reset()

    def log(self, name: str, value: float | Tensor, reduce: Reduction = "mean") -> None:
        """Put a number into the next logged row: the mean, sum or last of those since the row before; tensors stay on the device."""
        if reduce not in REDUCTIONS or not (isinstance(value, int | float) or (isinstance(value, Tensor) and value.numel() == 1)):
            raise not_logged(name, value, reduce)
        self.running_values.add(self._free_name(name), value, reduce)

    def follow(self, name: str, value: Callable[[], float | Tensor]) -> None:
        """Let the next row have what `value` gives when it is logged, if no step says otherwise before."""
        self.running_values.follow(self._free_name(name), value)

    def _free_name(self, name: str) -> str:
        """The column of a logged value: its name, or one under `logged/` where the run itself has such a column, which is said once."""
        if name not in OWN_COLUMNS:
            return name
        if name not in self.names_taken:
            self.names_taken.add(name)
            log.warning("'%s' is a column of the run itself: what is logged under this name stands in 'logged/%s'", name, name)
        return f"logged/{name}"


def not_logged(name: str, value: object, reduce: str) -> TrainwrightError:
    """The error for what cannot be put into a row."""
    if reduce not in REDUCTIONS:
        return TrainwrightError(f"there is no reduction '{reduce}'", where=f"session.log({name!r})", fix=did_you_mean(reduce, REDUCTIONS))
    what = f"a tensor of shape {tuple(value.shape)}" if isinstance(value, Tensor) else f"a {type(value).__name__}"
    return TrainwrightError(f"{what} is no number", where=f"session.log({name!r})", fix="log a number or a tensor of one element")

"""Jumps of the training loss, seen at logged rows."""

from __future__ import annotations

import logging
import statistics
from collections import deque
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from trainwright.engine.recovery import NotFinite, roll_back
from trainwright.engine.recovery_options import LossSpikeOptions

if TYPE_CHECKING:
    from trainwright.engine.session import Session

log = logging.getLogger("trainwright.engine")

DEVIATION = 1.4826
"""What turns a median absolute deviation into the standard deviation of a normal distribution."""
SMALLEST = 0.01
"""Least spread, as a share of the median: equal losses are not infinitely certain."""


class SpikeWatch:
    """Remembers the losses of the last logged rows, and those of their parts."""

    def __init__(self, options: LossSpikeOptions) -> None:
        self.options = options
        self.losses: dict[str, deque[float]] = {}

    def is_spike(self, loss: float, name: str = "loss") -> bool:
        """Whether a loss, or a part of it, lies more than `factor` spreads above the median of those before.

        A part is nothing to speak of while it is small beside the whole, nor while it has not begun.
        """
        before = self.losses.get(name, ())
        if len(before) < self.options.window:
            return False
        middle, whole = statistics.median(before), statistics.median(self.losses.get("loss", before))
        if name != "loss" and middle == 0:
            return False
        spread = DEVIATION * statistics.median(abs(each - middle) for each in before)
        return loss > middle + self.options.factor * max(spread, SMALLEST * abs(middle), SMALLEST * abs(whole))

    def remember(self, losses: Mapping[str, float]) -> None:
        """Take in the losses of a row that is as it should be."""
        for name, loss in losses.items():
            self.losses.setdefault(name, deque(maxlen=self.options.window)).append(loss)

    def hear(self, session: Session, losses: Mapping[str, float]) -> None:
        """Judge and remember the loss of a row and its parts. Raises Rollback or NotFinite for a spike, as the policy says."""
        name = next((each for each, loss in losses.items() if self.is_spike(loss, each)), None)
        if name is None:
            self.remember(losses)
            return
        said = "the loss" if name == "loss" else f"the part '{name.removeprefix('loss/')}' of the loss"
        what = f"{said} jumped to {losses[name]:.4g} from {statistics.median(self.losses[name]):.4g}"
        if self.options.policy == "rollback":
            roll_back(session, list(range(session.position.batches_at_last_row, session.batches_seen)), what)
        if self.options.policy == "stop":
            fix = "lower the learning rate, or set trainer.recovery.loss_spike.policy: warn"
            raise NotFinite(f"{what} at step {session.step}", fix=fix)
        log.warning("%s at step %d", what, session.step)

    def state(self) -> dict[str, list[float]]:
        """For a checkpoint."""
        return {name: list(losses) for name, losses in self.losses.items()}

    def load(self, state: Mapping[str, Iterable[float]] | Iterable[float]) -> None:
        """Take the state back; older checkpoints have the losses alone."""
        found = state if isinstance(state, Mapping) else {"loss": state}
        self.losses = {name: deque(losses, maxlen=self.options.window) for name, losses in found.items()}

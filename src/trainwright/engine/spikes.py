"""Jumps of the training loss, seen at logged rows."""

from __future__ import annotations

import logging
import statistics
from collections import deque
from typing import TYPE_CHECKING

from trainwright.engine.recovery import NotFinite, go_back
from trainwright.engine.recovery_options import LossSpikeOptions

if TYPE_CHECKING:
    from trainwright.engine.session import Session

log = logging.getLogger("trainwright.engine")

DEVIATION = 1.4826
"""What turns a median absolute deviation into the standard deviation of a normal distribution."""
SMALLEST = 0.01
"""Least spread, as a share of the median: equal losses are not infinitely certain."""


class SpikeWatch:
    """Remembers the losses of the last logged rows."""

    def __init__(self, options: LossSpikeOptions) -> None:
        self.options = options
        self.losses: deque[float] = deque(maxlen=options.window)

    def is_spike(self, loss: float) -> bool:
        """Whether a loss lies more than `factor` spreads above the median of those before."""
        if len(self.losses) < self.options.window:
            return False
        middle = statistics.median(self.losses)
        spread = DEVIATION * statistics.median(abs(each - middle) for each in self.losses)
        return loss > middle + self.options.factor * max(spread, SMALLEST * abs(middle))

    def hear(self, session: Session, loss: float) -> None:
        """Judge a loss and remember it, unless it is a spike. Raises WentBack or NotFinite as the policy says."""
        if not self.is_spike(loss):
            self.losses.append(loss)
            return
        what = f"the loss jumped to {loss:.4g} from {statistics.median(self.losses):.4g}"
        if self.options.policy == "rollback":
            go_back(session, list(range(session.last_tick, session.tick)), what)
        if self.options.policy == "stop":
            fix = "lower the learning rate, or set trainer.recovery.loss_spike.policy: warn"
            raise NotFinite(f"{what} at step {session.step}", fix=fix)
        log.warning("%s at step %d", what, session.step)

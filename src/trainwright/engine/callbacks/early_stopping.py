"""Stop when the monitored metric no longer improves."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from trainwright.engine.callbacks.base import Callback
from trainwright.engine.config import EarlyStopping
from trainwright.engine.monitor import Monitor
from trainwright.engine.system import System

if TYPE_CHECKING:
    from trainwright.engine.session import Session


class EarlyStop(Callback):
    """Counts evaluations since the monitored metric last improved by more than `min_delta`; NaN is no improvement."""

    def __init__(self, config: EarlyStopping, monitor: Monitor) -> None:
        self.config, self.monitor = config, monitor
        self.best: float | None = None
        self.waited = 0

    def on_validation_end(self, session: Session, system: System, metrics: Mapping[str, float]) -> None:
        """Hear of an evaluation, and stop the run when patience is at its end."""
        sign = 1.0 if self.monitor.higher else -1.0
        score = sign * self.monitor.value(metrics)
        if not math.isnan(score) and (self.best is None or score > self.best + self.config.min_delta):
            self.best, self.waited = score, 0
        else:
            self.waited += 1
        if self.waited >= self.config.patience:
            session.stop("early_stopping")

    def state_dict(self) -> dict[str, Any]:
        """The best score (higher is better) and the evaluations since."""
        return {"best": self.best, "waited": self.waited}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take the state back."""
        self.best, self.waited = state["best"], state["waited"]

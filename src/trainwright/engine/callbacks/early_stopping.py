"""Stop when a metric no longer improves."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from trainwright.config.errors import ConfigError
from trainwright.engine.callbacks.base import Callback
from trainwright.engine.callbacks.options import EarlyStoppingOptions
from trainwright.engine.config import EarlyStopping
from trainwright.engine.monitor import Monitor
from trainwright.engine.system import System

if TYPE_CHECKING:
    from trainwright.engine.session import Session


class EarlyStop(Callback):
    """Counts evaluations since the monitored metric last improved by more than `min_delta`; NaN is no improvement.

    Every process has the same metrics, counts the same, and stops.
    """

    every_rank = True

    def __init__(self, config: EarlyStopping | EarlyStoppingOptions, monitor: Monitor) -> None:
        self.config, self.monitor = config, monitor
        self.best: float | None = None
        self.waited = 0

    def on_validation_end(self, session: Session, system: System, metrics: Mapping[str, float]) -> None:
        """Hear of an evaluation, and stop the run when patience is at its end; one that need not have the metric counts for nothing."""
        if self.monitor.is_missing(metrics):
            return
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


class StopEarly(EarlyStop):
    """Early stopping on a metric of its own; its state is kept by the name of the metric, so that there may be several."""

    config: EarlyStoppingOptions
    where = "trainer.callbacks.early_stopping.monitor"

    def __init__(self, options: EarlyStoppingOptions | None = None) -> None:
        self.config = options or EarlyStoppingOptions()
        self.best, self.waited = None, 0

    @property
    def state_key(self) -> str:
        """`early_stopping:<monitor>`."""
        return f"early_stopping:{self.config.monitor}"

    def setup(self, session: Session, system: System) -> None:
        """Find the metric. Raises ConfigError, with the nearest name, when there is none such or no validation split to measure it on."""
        if session.stage != "fit":
            return
        if session.validation is None:
            raise ConfigError("early stopping has nothing to watch", where=self.where, why="there are no validation rows")
        asked = {"monitor": session.config.monitor, "mode": session.config.mode} if self.config.monitor == "auto" else {}
        asked |= {} if asked else {"monitor": self.config.monitor, "mode": self.config.mode}
        try:
            self.monitor = Monitor(session.config.model_copy(update=asked), system)
        except ConfigError as error:
            raise ConfigError(error.what, where=self.where, why=error.why, fix=error.fix) from error
        self.monitor.optional = False

    def on_validation_end(self, session: Session, system: System, metrics: Mapping[str, float]) -> None:
        """Hear of an evaluation, and stop the run when patience is at its end or a limit is reached."""
        value = self.monitor.value(metrics)
        if self._has_decided(value) or (self.config.stop_when_not_finite and not math.isfinite(value)):
            session.stop("early_stopping")
        super().on_validation_end(session, system, metrics)

    def _has_decided(self, value: float) -> bool:
        sign = 1.0 if self.monitor.higher else -1.0
        good, bad = self.config.good_enough, self.config.hopeless
        return (good is not None and sign * value >= sign * good) or (bad is not None and sign * value <= sign * bad)

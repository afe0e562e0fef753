"""Metrics of a run for handlers of a person's own, by group: those of its rows, and those put by torch's elastic package."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from trainwright.config.errors import FOREIGN
from trainwright.engine.callbacks.base import Callback
from trainwright.engine.callbacks.handlers import find_handler
from trainwright.engine.callbacks.options import MetricHandlersOptions
from trainwright.engine.system import System

if TYPE_CHECKING:
    from trainwright.engine.session import Session

log = logging.getLogger("trainwright.engine")

REST = "*"
"""The group of all metrics that no other one is named for."""


class MetricData(NamedTuple):
    """A measured value; named as torch's elastic package names its own, so that a handler of either takes both."""

    timestamp: float
    """Seconds since 1970."""
    group_name: str
    """What stands before the first `/` of the name (`train`, `validation`); `run` where there is none."""
    name: str
    value: float


class MetricHandlers(Callback):
    """Hands each number of a logged row to the handler of its group, and what is put by torch's `put_metric(name, value, group)` too."""

    def __init__(self, options: MetricHandlersOptions | None = None) -> None:
        self.options = options or MetricHandlersOptions()
        where = "trainer.callbacks: metric_handlers.groups"
        self._handlers = {group: find_handler(named, "emit", f"{where}.{group}", describe) for group, named in self.options.groups.items()}
        self._failed: set[str] = set()

    def setup(self, session: Session, system: System) -> None:
        """Take what torch's package is given for these groups."""
        self._take_torch(self._of_torch)

    def on_log(self, session: Session, row: Mapping[str, float]) -> None:
        """Hand on a row."""
        now = time.time()
        for column, value in row.items():
            group, _, name = column.rpartition("/") if "/" not in column else column.partition("/")
            self._hand(MetricData(now, group or "run", name, float(value)))

    def teardown(self, session: Session, system: System) -> None:
        """Take no more."""
        self._take_torch(lambda data: None)

    def _take_torch(self, take: Callable[[Any], None]) -> None:
        from torch.distributed.elastic.metrics import api

        made = type("Handed", (api.MetricHandler,), {"emit": lambda self, data: take(data)})()
        for group in self._handlers:
            api.configure(made, None if group == REST else group)

    def _of_torch(self, data: Any) -> None:
        self._hand(MetricData(float(data.timestamp), str(data.group_name), str(data.name), float(data.value)))

    def _hand(self, data: MetricData) -> None:
        group = data.group_name if data.group_name in self._handlers else REST
        handler = self._handlers.get(group)
        if handler is None or group in self._failed:
            return
        try:
            handler(data)
        except FOREIGN as error:  # what a handler raises must not end a run
            self._failed.add(group)
            log.warning("the handler of the metrics '%s' is told of no more: %s: %s", group, type(error).__name__, error)


def describe(data: MetricData) -> str:
    """A value as a line."""
    return f"[{data.timestamp:.3f}][{data.group_name}]: {data.name}={data.value:g}"

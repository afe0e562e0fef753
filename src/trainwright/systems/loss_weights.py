"""The weights of the parts of a loss, numbers or schedules, by the names of the parts."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from trainwright.config.errors import did_you_mean
from trainwright.config.scheduled import Scheduled

log = logging.getLogger("trainwright.systems")

PREFIXES = ("lambda_", "loss_")


class LossWeights:
    """Part → weight: `lambda_x` and `x` in the options both weigh the part `x` or `loss_x`; a part without one weighs 1."""

    def __init__(self, given: Mapping[str, Any]) -> None:
        self.scheduled = {bare(name): Scheduled.parse(value) for name, value in given.items()}
        self._written = {bare(name): name for name in given}
        self._asked: set[str] = set()
        self._first: int | None = None
        self._unused = set(self.scheduled)

    def at(self, step: int, epoch: float, name: str) -> float:
        """The weight of a part after so many steps and epochs."""
        key = bare(name)
        self._asked.add(key)
        self._unused.discard(key)
        found = self.scheduled.get(key)
        self._first = step if self._first is None else self._first
        if self._unused and step > self._first:
            self._warn()
        return 1.0 if found is None else found.value(step, epoch)

    def _warn(self) -> None:
        """Say once, after the first step, which weights no part has."""
        for key in sorted(self._unused):
            meant = did_you_mean(key, self._asked)
            log.warning("the loss has no part '%s' so far, whose weight `%s` is given; %s", key, self._written[key], meant)
        self._unused = set()


def bare(name: str) -> str:
    """A name without `lambda_` or `loss_` before it."""
    return next((name.removeprefix(prefix) for prefix in PREFIXES if name.startswith(prefix)), name)

"""Kinds of values beside numbers, and the trackers that take them; one that cannot take a kind says so once."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

log = logging.getLogger("trainwright.tracking")

KINDS = {
    "image": "images",
    "histogram": "histograms",
    "text": "texts",
    "figure": "figures",
    "graph": "graphs",
    "hparams": "hyperparameters",
}
"""Method of a tracker → what it takes, in words."""


@dataclass(frozen=True)
class Histogram:
    """How many values lie between edges: `counts[i]` between `edges[i]` and `edges[i + 1]`."""

    edges: list[float]
    counts: list[float]
    total: float
    """The sum of the values."""
    squares: float
    """The sum of their squares."""


@dataclass(frozen=True)
class GraphNode:
    """A call in the graph of a model: its name (levels with `/`), what it is, what it gives, and the names of those it takes from."""

    name: str
    kind: str
    shape: str = ""
    inputs: tuple[str, ...] = ()


class Kinds:
    """Hands values to the trackers that take their kind."""

    def __init__(self, trackers: Iterable[Any], loud: bool = True) -> None:
        """`loud`: whether a person asked for the kind, and is told on the console who does not take it; else only the log says it."""
        self.trackers, self.loud = list(trackers), loud
        self._told: set[tuple[int, str]] = set()

    def takes(self, kind: str) -> bool:
        """Whether any tracker takes it."""
        return any(hasattr(each, kind) for each in self.trackers)

    def give(self, kind: str, name: str, *values: Any) -> None:
        """Hand `name` and `values` to each tracker's method of this kind; a disk that refuses is told of, and the run goes on."""
        for tracker in self.trackers:
            method = getattr(tracker, kind, None)
            if method is None:
                self._say_once(tracker, kind)
                continue
            try:
                method(name, *values)
            except OSError as error:
                log.warning("%s did not take the %s %s: %s", _name_tracker(tracker), kind, name, error.strerror or error)

    def _say_once(self, tracker: Any, kind: str) -> None:
        if (id(tracker), kind) in self._told or not _name_tracker(tracker):
            return
        self._told.add((id(tracker), kind))
        others = [_name_tracker(each) for each in self.trackers if hasattr(each, kind)]
        where = f"; {' and '.join(others)} does" if others else ""
        log.log(logging.INFO if self.loud else logging.DEBUG, "%s takes no %s%s", _name_tracker(tracker), KINDS[kind], where)


def _name_tracker(tracker: Any) -> str:
    """What it is called in messages; empty for what keeps rows in its own way and is no tracker of a person's."""
    return str(getattr(tracker, "shown_name", type(tracker).__name__))

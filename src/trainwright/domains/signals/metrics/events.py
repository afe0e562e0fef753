"""How well events in time are found by a target with a class at every frame: peaks of its probabilities against runs of its truth."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from trainwright.config.errors import ConfigError, did_you_mean
from trainwright.domains.signals.models.events import match_events, pick_events
from trainwright.metrics.formulas import Additive, Array, mean_defined
from trainwright.metrics.table import BINARY


class EventMetric(Additive):
    """A ratio of how many events were found, missed and found where there is none, of every class but the background.

    An event is the middle of a run of frames of a class, and of probabilities a peak. Frames that do not count hold none.
    """

    def rows(self, outcome: Any) -> Array:
        """Events are of frames in time: rows with one answer each have none. Raises ConfigError."""
        raise ConfigError(f"'{self.options.type}' is of events in time", where="metrics", fix="give a class at every frame")

    def summary(self, batch: Any) -> Array:
        """Found, missed and false events of each class; float64 [3 c]. Waits for the device."""
        if len(batch.positions) != 1:
            raise ConfigError(f"'{self.options.type}' is of events in time", where="metrics", fix="give a class at every frame")
        frames = batch.positions[0]
        truth = batch.truth.detach().cpu().numpy().reshape(-1, frames)
        scores = batch.scores.detach().cpu().numpy().reshape(len(truth), frames, -1)
        counted = truth >= 0 if batch.keep is None else batch.keep.cpu().numpy().reshape(-1, frames)
        places = self._places(batch.kind, batch.classes, scores.shape[2])
        found = [self._count(truth == place, np.where(counted, scores[:, :, place], -np.inf)) for place in places]
        made: Tensor = torch.from_numpy(np.stack(found, axis=1).reshape(-1))
        return made.to(batch.scores.device, batch.scores.dtype)

    def _places(self, kind: str, classes: list[str] | None, width: int) -> list[int]:
        """Which classes are events. Raises ConfigError for a background that is none of them."""
        if kind == BINARY and not self.options.background:
            return [1]
        names = classes or [str(place) for place in range(width)]
        if self.options.background and self.options.background not in names:
            fix = did_you_mean(self.options.background, names)
            raise ConfigError(f"there is no class '{self.options.background}'", where=f"{self.options.type}.background", fix=fix)
        nothing = names.index(self.options.background) if self.options.background else 0
        return [place for place in range(width) if place != nothing]

    def _count(self, true: np.ndarray, scores: np.ndarray) -> np.ndarray:
        """Found, missed and false events of a class, from its frames and probabilities (samples, frames)."""
        asked, total = self.options, np.zeros(3)
        for runs, each in zip(true, scores, strict=True):
            given = pick_events(each, asked.rate, asked.threshold, asked.distance)
            total += match_events(given, pick_events(runs.astype(float), asked.rate), asked.tolerance)
        return total

    def value(self, sums: np.ndarray) -> np.ndarray:
        counts = sums.reshape(*sums.shape[:-1], 3, -1)
        if self.options.average == "micro":
            counts = counts.sum(axis=-1, keepdims=True)
        with np.errstate(divide="ignore", invalid="ignore"):
            return mean_defined(self.ratio(*np.moveaxis(counts, -2, 0)))

    def ratio(self, found: np.ndarray, missed: np.ndarray, false: np.ndarray) -> np.ndarray:
        """The value from counts."""
        raise NotImplementedError

    def details(self, state: Any) -> dict[str, np.ndarray]:
        """The value of each class of events."""
        return {"per_class": self.ratio(*state.reshape(3, -1))} if isinstance(state, np.ndarray) and state.ndim == 1 else {}


class EventF1(EventMetric):
    """2 · found / (2 · found + missed + false)."""

    def ratio(self, found: np.ndarray, missed: np.ndarray, false: np.ndarray) -> np.ndarray:
        return 2 * found / (2 * found + missed + false)


class EventPrecision(EventMetric):
    """Found by all that were given (positive predictivity, +P)."""

    def ratio(self, found: np.ndarray, missed: np.ndarray, false: np.ndarray) -> np.ndarray:
        return found / (found + false)


class EventRecall(EventMetric):
    """Found by true events (sensitivity)."""

    def ratio(self, found: np.ndarray, missed: np.ndarray, false: np.ndarray) -> np.ndarray:
        return found / (found + missed)

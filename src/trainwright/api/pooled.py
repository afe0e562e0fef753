"""All rows that the folds of a group have tested, each with the model that has not seen it, measured together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from trainwright.api.contrasts import read_outcome
from trainwright.config.errors import TrainwrightError
from trainwright.config.model import PartConfig
from trainwright.metrics import compute, from_label
from trainwright.metrics.outcome import Outcome
from trainwright.metrics.table import BINARY, SET
from trainwright.runs.group import FOLD, Member
from trainwright.runs.results import read_results


@dataclass(frozen=True)
class Pooled:
    """The metrics of one target over the test rows of several folds."""

    settings: dict[str, str]
    """What these folds share: values of a grid, a seed."""
    target: str
    folds: int
    rows: int
    metrics: dict[str, float]
    why_not: str = ""
    """Why there are none."""

    def to_dict(self) -> dict[str, Any]:
        """As JSON can hold it."""
        return dict(vars(self))


def pool_folds(members: Sequence[Member]) -> list[Pooled]:
    """The metrics of each target over all folds of the runs that share all else; of finished runs, where there are two folds or more."""
    alike: dict[tuple[tuple[str, str], ...], list[Member]] = {}
    for each in members:
        if FOLD in each.settings:
            alike.setdefault(tuple((key, value) for key, value in each.settings.items() if not key.startswith("data.split.")), []).append(
                each
            )
    return [_pool(dict(shared), target, folds) for shared, folds in alike.items() if len(folds) > 1 for target in _targets(folds[0].run)]


def _targets(run: Path) -> list[str]:
    """The targets whose test rows are kept."""
    results = read_results(run) or {}
    test = (results.get("metrics") or {}).get("test") or {}
    return [name for name, each in test.items() if isinstance(each, dict) and read_outcome(run, name) is not None]


def _pool(settings: dict[str, str], target: str, folds: Sequence[Member]) -> Pooled:
    found = [each for fold in folds if (each := read_outcome(fold.run, target)) is not None]
    rows, outcomes = np.concatenate([each for each, _ in found]), [each for _, each in found]
    why = _why_apart(rows, outcomes)
    if why:
        return Pooled(settings, target, len(found), len(rows), {}, why)
    whole = _join(outcomes)
    return Pooled(settings, target, len(found), len(rows), compute(whole, _metrics(folds[0].metrics(), target)))


def _why_apart(rows: np.ndarray, outcomes: Sequence[Outcome]) -> str:
    """Why rows cannot be measured together; empty where they can."""
    if any(each.kind != outcomes[0].kind or each.classes != outcomes[0].classes for each in outcomes):
        return "the classes are not the same in all folds"
    return "" if len(np.unique(rows)) == len(rows) else "some rows are tested in several folds"


def _join(outcomes: Sequence[Outcome]) -> Outcome:
    """One outcome of all rows, each with the threshold of its own fold."""
    first = outcomes[0]
    weights = None if any(each.weights is None for each in outcomes) else np.concatenate([np.asarray(each.weights) for each in outcomes])
    truth, scores = np.concatenate([each.truth for each in outcomes]), np.concatenate([each.scores for each in outcomes])
    threshold = first.threshold
    if first.kind in (BINARY, SET):
        each_row = [np.broadcast_to(each.threshold, len(each) if each.kind == BINARY else each.scores.shape) for each in outcomes]
        threshold = np.concatenate(each_row)
    return Outcome(first.kind, truth, scores, first.classes, threshold, weights)


def _metrics(numbers: Iterable[str], target: str) -> list[PartConfig]:
    """The metrics that a run has of a target's test rows and that Trainwright knows; nothing of a run's configuration is built for it."""
    names = [each.removeprefix(f"test.{target}.") for each in numbers if each.startswith(f"test.{target}.")]
    return [found for each in names if (found := _known(each)) is not None]


def _known(name: str) -> PartConfig | None:
    try:
        return from_label(name)
    except (TrainwrightError, ValueError, KeyError):
        return None  # a loss, or a metric of one's own

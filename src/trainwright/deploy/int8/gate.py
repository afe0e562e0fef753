"""Whether an int8 artifact is good enough: by what its metrics lose, not by how close its numbers are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from trainwright.metrics import mode

JUDGED_BY = ("accuracy", "r2", "jaccard")
"""The metric that points are counted in, of those that were measured; else the first of them."""


@dataclass(frozen=True)
class Loss:
    """What an artifact loses of a metric, in points: hundredths, or percent of one that has no upper end (an error)."""

    of: str
    """`target.metric`, or what is compared where no truth is known."""
    before: float
    after: float
    points: float


@dataclass(frozen=True)
class Gate:
    """The losses beside the largest that is allowed, in points."""

    losses: list[Loss]
    limit: float

    @property
    def worst(self) -> Loss:
        """The largest loss."""
        return max(self.losses, key=lambda each: each.points)

    @property
    def passed(self) -> bool:
        """Whether no loss is above the limit; one that is no number is."""
        return all(each.points <= self.limit for each in self.losses)

    def as_json(self) -> dict[str, Any]:
        """All of it, with whether it passed."""
        return {"limit_points": self.limit, "passed": self.passed, "losses": [asdict(each) for each in self.losses]}


def judge_metrics(run: Mapping[str, Mapping[str, float]], artifact: Mapping[str, Mapping[str, float]], limit: float) -> Gate:
    """Target by target what one metric of the artifact is below the run's: accuracy of classes, R² of numbers."""
    losses = []
    for target, measured in run.items():
        name = next((each for each in JUDGED_BY if each in measured), next(iter(measured)))
        losses.append(measure_loss(f"{target}.{name}", measured[name], artifact[target][name]))
    return Gate(losses, limit)


def measure_loss(of: str, before: float, after: float) -> Loss:
    """Points lost of a metric (negative: gained); those of an error are percent of what it was."""
    if mode(of) == "max":
        return Loss(of, before, after, 100 * (before - after))
    return Loss(of, before, after, 100 * (after - before) / abs(before) if before else 100 * (after - before))


def judge_answers(answers: Mapping[str, tuple[np.ndarray, np.ndarray]], limit: float) -> Gate:
    """Where no truth is known: of decisions those that changed, of numbers the share of the run's variance that the artifact lacks.

    `answers`: column → what both answered, numbers as floats and decisions as objects.
    """
    losses = []
    decided = {name: each for name, each in answers.items() if each[0].dtype.kind != "f"}
    for name, (run, artifact) in (decided or answers).items():
        kept, of = (_equal, "equal decisions") if name in decided else (_explained, "R² beside the run")
        share = kept(run, artifact)
        losses.append(Loss(f"{name}: {of}", 1.0, share, 100 * (1 - share)))
    return Gate(losses, limit)


def _equal(run: np.ndarray, artifact: np.ndarray) -> float:
    """The share of rows with the same decision."""
    return float(np.mean([bool(np.all(one == other)) for one, other in zip(run, artifact, strict=True)]))


def _explained(run: np.ndarray, artifact: np.ndarray) -> float:
    """R² of the artifact's numbers for the run's, both as far as they are there; 0 where one has a number and the other none."""
    there = ~np.isnan(run)
    if not np.array_equal(there, ~np.isnan(artifact)):
        return 0.0
    spread = float(((run[there] - run[there].mean()) ** 2).sum()) if there.any() else 0.0
    apart = float(((run[there] - artifact[there]) ** 2).sum())
    return 1 - apart / spread if spread else float(apart == 0)

"""The Inception score: how sure a classifier is of each made row, and how many classes it finds in all of them."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from trainwright.config.errors import ConfigError
from trainwright.metrics.feature_sets import SIDES, FeatureMetric
from trainwright.metrics.pair_options import InceptionScoreOptions


class InceptionScore(FeatureMetric):
    """exp(E KL(p(y|x) ‖ p(y))) (Salimans et al. 2016), of all rows; sums of float64, no rows are kept.

    Beside it the same of the real rows, and its deviation over `splits` parts, as the paper gives it.
    """

    kind, config, up = "inception_score", InceptionScoreOptions, True
    gives = ("sd", "real", "n", "n_real")
    may_be_nan = ("sd",)
    emptied_by_load = True
    options: InceptionScoreOptions

    @property
    def holds(self) -> str:  # type: ignore[override]
        """What is kept of the rows."""
        return "sums of probabilities of classes"

    def take_in(self, side: str, features: Tensor, keys: np.ndarray | None = None) -> None:
        """Sum up the probabilities of the classes. Raises ConfigError for features that tell none."""
        found = self.extractor.probabilities(features)
        if found is None:
            why = f"{self.extractor.name} gives no probabilities of classes"
            fix = "take features: classifier, or a network with the layer of classes in its file; or leave inception_score out"
            raise ConfigError(f"'{self.name}' needs classes", where="metrics", why=why, fix=fix)
        place = torch.from_numpy(self.keys_of(features, keys)[:, 1].astype(np.int64) % self.options.splits)
        sums = torch.zeros(self.options.splits, found.shape[1], dtype=torch.float64).index_add_(0, place, found)
        entropy = torch.zeros(self.options.splits, dtype=torch.float64).index_add_(0, place, torch.xlogy(found, found).sum(1))
        self.add(**{f"{side}/sums": sums, f"{side}/entropy": entropy, f"{side}/n": torch.bincount(place, minlength=self.options.splits)})

    def counts(self) -> tuple[int, int]:
        """How many made and real rows were seen."""
        made, real = (int(self.sums[f"{side}/n"].sum()) if f"{side}/n" in self.sums else 0 for side in SIDES)
        return made, real

    def measure(self) -> dict[str, float]:
        """The score of the made rows, its deviation over the parts, and the score of the real rows."""
        made, real = ([self.sums[f"{side}/{name}"].double() for name in ("sums", "entropy", "n")] for side in SIDES)
        parts = [score(*(each[place] for each in made)) for place in range(self.options.splits)]
        deviation = float(np.std(parts)) if len(parts) > 1 else math.nan
        return {"": score(*(each.sum(0) for each in made)), "sd": deviation, "real": score(*(each.sum(0) for each in real))}


def score(sums: Tensor, entropy: Tensor, n: Tensor) -> float:
    """exp of the mean of Σ p log p less Σ p̄ log p̄, from the sum of p (classes), the sum of Σ p log p, and how many; NaN of none."""
    if not int(n):
        return math.nan
    mean = sums / n
    return float((entropy / n - torch.xlogy(mean, mean).sum()).exp())

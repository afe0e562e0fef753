"""Metrics of predicted numbers; for vectors, the mean over their elements of the metric of each."""

from __future__ import annotations

from typing import Any

import numpy as np

from trainwright.metrics.formulas import Additive, Array, Mean, Ordered, mean_defined
from trainwright.metrics.outcome import Outcome
from trainwright.metrics.ranking import tie_ends


class MSE(Mean):
    """Mean squared error."""

    def each(self, outcome: Any) -> Array:
        truth, scores = outcome.columns()
        return ((scores - truth) ** 2).mean(axis=1)


class MAE(Mean):
    """Mean absolute error."""

    def each(self, outcome: Any) -> Array:
        truth, scores = outcome.columns()
        return abs(scores - truth).mean(axis=1)


class MAPE(Mean):
    """Mean of |error| / |truth|; NaN when a true value is 0."""

    def each(self, outcome: Any) -> Array:
        truth, scores = outcome.columns()
        return (abs(scores - truth) / outcome.xp.where(truth == 0, np.nan, abs(truth))).mean(axis=1)


class SMAPE(Mean):
    """Mean of 2 |error| / (|truth| + |prediction|), 0 where both are 0."""

    def each(self, outcome: Any) -> Array:
        truth, scores = outcome.columns()
        size = abs(truth) + abs(scores)
        return (2.0 * abs(scores - truth) / outcome.xp.where(size == 0, 1.0, size)).mean(axis=1)


class Cosine(Mean):
    """Mean cosine of the angle between the true and the predicted vector; 0 when either has no length."""

    def each(self, outcome: Any) -> Array:
        truth, scores = outcome.columns()
        lengths = (truth * truth).sum(axis=1) ** 0.5 * (scores * scores).sum(axis=1) ** 0.5
        return (truth * scores).sum(axis=1) / outcome.xp.where(lengths == 0, 1.0, lengths)


class RMSE(Additive):
    """Root mean squared error."""

    def rows(self, outcome: Any) -> Array:
        (truth, scores), xp = outcome.columns(), outcome.xp
        return xp.concatenate([(scores - truth) ** 2, xp.ones_like(truth[:, :1])], axis=1)

    def value(self, sums: np.ndarray) -> np.ndarray:
        return np.sqrt(sums[..., :-1] / sums[..., -1:]).mean(axis=-1)

    def details(self, state: Any) -> dict[str, np.ndarray]:
        """The value of each column."""
        return {"per_column": np.sqrt(state[:-1] / state[-1])}


class _Moments(Additive):
    """A metric of the first two moments of truth and prediction; elements for which it is undefined are left out of the mean."""

    def rows(self, outcome: Outcome) -> np.ndarray:
        truth, scores = outcome.columns()
        # centred on the whole set's means, so that the sums of squares lose no digits
        truth, scores = truth - truth.mean(axis=0), scores - truth.mean(axis=0)
        products = [truth, scores, truth * truth, scores * scores, truth * scores]
        return np.concatenate([*products, np.ones_like(truth)], axis=1)

    def summary(self, batch: Any) -> Array:
        """Rows, mean truth, mean score, and sums of t², p² and t p round these means; [6 d], so that no digits are lost by size."""
        truth, scores = batch.columns()
        count = batch.xp.ones_like(truth).sum(axis=0)
        means = truth.mean(axis=0), scores.mean(axis=0)
        t, p = truth - means[0], scores - means[1]
        return batch.xp.concatenate([count, *means, (t * t).sum(axis=0), (p * p).sum(axis=0), (t * p).sum(axis=0)])

    def merge(self, first: Array, second: Array) -> Array:
        """Chan, Golub and LeVeque (1983), equations 1.5."""
        (n, t1, p1, *_), (m, t2, p2, *_) = first.reshape(6, -1), second.reshape(6, -1)
        t, p, total = t2 - t1, p2 - p1, n + m
        joined = first.reshape(6, -1) + second.reshape(6, -1)
        joined[1], joined[2] = t1 + t * (m / total), p1 + p * (m / total)
        for place, product in enumerate((t * t, p * p, t * p), start=3):
            joined[place] += product * (n * m / total)
        return joined.reshape(-1)

    def value_of(self, summary: np.ndarray) -> float:
        return float(mean_defined(self._by_column(summary)))

    def details(self, state: Any) -> dict[str, np.ndarray]:
        """The value of each column."""
        return {"per_column": self._by_column(state)}

    def _by_column(self, summary: np.ndarray) -> np.ndarray:
        count, truth, scores, tt, pp, tp = summary.reshape(6, -1)
        offset = scores - truth
        with np.errstate(divide="ignore", invalid="ignore"):
            return self.from_moments(truth * 0.0, offset, tt / count, pp / count + offset * offset, tp / count)

    def value(self, sums: np.ndarray) -> np.ndarray:
        *sums_of, count = np.split(sums, 6, axis=-1)
        truth, scores, truth2, scores2, both = (each / count for each in sums_of)
        return mean_defined(self.from_moments(truth, scores, truth2, scores2, both))

    def from_moments(self, truth: np.ndarray, scores: np.ndarray, truth2: np.ndarray, scores2: np.ndarray, both: np.ndarray) -> np.ndarray:
        """The metric from the means of t, p, t², p² and t p."""
        raise NotImplementedError


def _positive(variance: np.ndarray, square: np.ndarray) -> np.ndarray:
    """The variance, or NaN where it is nothing but rounding of the mean square."""
    return np.where(variance > 1e-13 * square, variance, np.nan)


class R2(_Moments):
    """1 - squared error / squared deviation of the truth from its mean; NaN when the truth is constant."""

    def from_moments(self, truth: np.ndarray, scores: np.ndarray, truth2: np.ndarray, scores2: np.ndarray, both: np.ndarray) -> np.ndarray:
        return 1.0 - (truth2 - 2.0 * both + scores2) / _positive(truth2 - truth * truth, truth2)


class ExplainedVariance(_Moments):
    """1 - variance of the error / variance of the truth; NaN when the truth is constant."""

    def from_moments(self, truth: np.ndarray, scores: np.ndarray, truth2: np.ndarray, scores2: np.ndarray, both: np.ndarray) -> np.ndarray:
        error = scores - truth
        return 1.0 - (truth2 - 2.0 * both + scores2 - error * error) / _positive(truth2 - truth * truth, truth2)


class Pearson(_Moments):
    """Linear correlation; NaN when truth or prediction is constant."""

    def from_moments(self, truth: np.ndarray, scores: np.ndarray, truth2: np.ndarray, scores2: np.ndarray, both: np.ndarray) -> np.ndarray:
        spread = np.sqrt(_positive(truth2 - truth * truth, truth2) * _positive(scores2 - scores * scores, scores2))
        return np.clip((both - truth * scores) / spread, -1.0, 1.0)


def weighted_ranks(values: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Mid-ranks [b, n] of values [n] when row i counts `counts[:, i]` times; ties share their mean rank."""
    order = np.argsort(values, kind="stable")
    ends = tie_ends(values[order])
    sizes = np.diff(ends, prepend=-1)
    upto = np.cumsum(counts[:, order], axis=1)[:, ends]
    within = np.diff(upto, axis=1, prepend=0.0)
    ranks = np.empty(counts.shape)
    ranks[:, order] = np.repeat(upto - within / 2.0, sizes, axis=1)
    return ranks


class Spearman(Ordered):
    """Linear correlation of ranks, ties sharing their mean rank; NaN when truth or prediction is constant."""

    def measure(self, outcome: Any) -> float:
        if getattr(outcome, "weights", None) is not None:
            return super().measure(outcome)
        once = np.ones((1, len(outcome)))
        ranks = ((weighted_ranks(truth, once), weighted_ranks(scores, once)) for truth, scores in outcome.value_columns())
        return float(mean_defined(np.array([self._one(truth, scores, once)[0] for truth, scores in ranks])))

    def weighted(self, outcome: Outcome, counts: np.ndarray) -> np.ndarray:
        truth, scores = outcome.columns()
        values = [
            self._one(weighted_ranks(truth[:, k], counts), weighted_ranks(scores[:, k], counts), counts) for k in range(truth.shape[1])
        ]
        return mean_defined(np.stack(values, axis=1))

    def _one(self, truth: np.ndarray, scores: np.ndarray, counts: np.ndarray) -> np.ndarray:
        total = counts.sum(axis=1, keepdims=True)
        truth, scores = (each - (counts * each).sum(axis=1, keepdims=True) / total for each in (truth, scores))
        spread = np.sqrt((counts * truth * truth).sum(axis=1) * (counts * scores * scores).sum(axis=1))
        return (counts * truth * scores).sum(axis=1) / np.where(spread == 0, np.nan, spread)


class MedianAE(Ordered):
    """Median absolute error."""

    ignores_weights = True

    def measure(self, outcome: Any) -> float:
        return float(np.mean([np.median(np.abs(scores - truth)) for truth, scores in outcome.value_columns()]))

    def weighted(self, outcome: Outcome, counts: np.ndarray) -> np.ndarray:
        truth, scores = outcome.columns()
        return np.stack([self._one(np.abs(scores[:, k] - truth[:, k]), counts) for k in range(truth.shape[1])], axis=1).mean(axis=1)

    def _one(self, errors: np.ndarray, counts: np.ndarray) -> np.ndarray:
        order = np.argsort(errors, kind="stable")
        upto = np.cumsum(counts[:, order], axis=1)
        last = upto[:, -1:] - 1.0
        middle = [(upto > np.floor(position)).argmax(axis=1) for position in (last / 2.0, (last + 1.0) / 2.0)]
        return (errors[order][middle[0]] + errors[order][middle[1]]) / 2.0


class MaxError(Ordered):
    """Largest absolute error."""

    has_interval = False
    ignores_weights = True

    def measure(self, outcome: Outcome) -> float:
        return float(np.abs(outcome.scores - outcome.truth).max())

    def summary(self, batch: Any) -> Array:
        """What is kept of a batch, [1]."""
        return abs(batch.scores - batch.truth).max().reshape(1)

    def merge(self, first: Array, second: Array) -> Array:
        """The summary of the rows of both."""
        return first.maximum(second)

    def value_of(self, summary: np.ndarray) -> float:
        """The metric from a summary."""
        return float(summary[0])

    def weighted(self, outcome: Outcome, counts: np.ndarray) -> np.ndarray:
        truth, scores = outcome.columns()
        return ((counts > 0) * np.abs(scores - truth).max(axis=1)).max(axis=1)

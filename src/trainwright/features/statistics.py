"""Streaming statistics of numbers that do not depend on how the stream is cut into chunks."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

BLOCK = 65_536
"""Values per block: block moments are computed by numpy in float64 and merged in order, so any chunking gives the same bits."""
EXACT = 1 << 20
"""Up to so many values quantiles are exact."""
SAMPLE = 1 << 18
"""Above that, quantiles come from a sample of at most this many values, drawn by position."""


@dataclass
class Moments:
    """Count, mean and sum of squared deviations, merged pairwise (Chan, Golub & LeVeque 1983, equations 2.1)."""

    count: int = 0
    mean: np.ndarray | float = 0.0
    squares: np.ndarray | float = 0.0
    low: np.ndarray | float = math.inf
    high: np.ndarray | float = -math.inf

    def add(self, block: np.ndarray) -> None:
        """Merges a block of values, or of rows (n, width)."""
        if not len(block):
            return
        with np.errstate(over="ignore", invalid="ignore"):
            mean = block.mean(axis=0)
            delta, total = mean - self.mean, self.count + len(block)
            self.squares = self.squares + np.square(block - mean).sum(axis=0) + np.square(delta) * (self.count * len(block) / total)
            self.mean = self.mean + delta * (len(block) / total)
        self.low, self.high = np.minimum(self.low, block.min(axis=0)), np.maximum(self.high, block.max(axis=0))
        self.count = total

    @property
    def deviation(self) -> np.ndarray | float:
        """The population standard deviation."""
        return np.sqrt(np.asarray(self.squares) / max(self.count, 1))


class Reblocked:
    """Joins chunks of any size and hands them on in blocks of exactly `BLOCK` rows (the last may be shorter)."""

    def __init__(self) -> None:
        self.waiting: list[np.ndarray] = []
        self.held = 0

    def add(self, chunk: np.ndarray) -> list[np.ndarray]:
        """Takes a chunk; returns the blocks that are complete."""
        self.waiting.append(chunk)
        self.held += len(chunk)
        if self.held < BLOCK:
            return []
        joined = np.concatenate(self.waiting) if len(self.waiting) > 1 else chunk
        whole = len(joined) // BLOCK * BLOCK
        self.waiting, self.held = [joined[whole:]], len(joined) - whole
        return [joined[start : start + BLOCK] for start in range(0, whole, BLOCK)]

    def rest(self) -> list[np.ndarray]:
        """The last, shorter block, or nothing."""
        joined = np.concatenate(self.waiting) if self.held else None
        self.waiting, self.held = [], 0
        return [] if joined is None else [joined]


class Sample:
    """All values up to `EXACT`, beyond that those whose position hashes below a threshold that halves as they grow too many."""

    def __init__(self, exact: int = EXACT, limit: int = SAMPLE) -> None:
        self.exact, self.limit = exact, limit
        self.seen, self.halvings = 0, 0
        self.values: list[np.ndarray] = []
        self.hashes: list[np.ndarray] = []

    def add(self, block: np.ndarray) -> None:
        """Takes the next values of the stream."""
        first, self.seen = self.seen, self.seen + len(block)
        if self.halvings:
            hashes = position_hashes(first, len(block))
            kept = hashes < self.threshold
            block = block[kept]
            self.hashes.append(hashes[kept])
        self.values.append(block)
        while sum(map(len, self.values)) > (self.limit if self.halvings else self.exact):
            self.thin()

    @property
    def threshold(self) -> np.uint64:
        """Positions whose hash is below this are kept."""
        return np.uint64((1 << (64 - self.halvings)) - 1)

    def thin(self) -> None:
        """Halves the share of positions that are kept, until the limit holds."""
        values = np.concatenate(self.values)
        hashes = position_hashes(0, len(values)) if not self.halvings else np.concatenate(self.hashes)
        self.halvings += 1
        kept = hashes < self.threshold
        self.values, self.hashes = [values[kept]], [hashes[kept]]

    def sort_kept(self) -> np.ndarray:
        """The values kept, in ascending order."""
        return np.sort(np.concatenate(self.values)) if self.values else np.empty(0)


def position_hashes(start: int, count: int) -> np.ndarray:
    """A uint64 hash of each position (splitmix64, Steele, Lea & Flood 2014)."""
    x = (np.arange(start, start + count, dtype=np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def quantiles(ordered: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Quantiles of sorted values, linear between neighbours (as numpy's default)."""
    if not len(ordered):
        return np.zeros(len(shares))
    at = shares * (len(ordered) - 1)
    below = np.floor(at).astype(np.int64)
    low, high = ordered[below], ordered[np.minimum(below + 1, len(ordered) - 1)]
    return low + (high - low) * (at - below)


def distinct_edges(ordered: np.ndarray, count: int) -> np.ndarray:
    """At most `count` edges of pieces of sorted values: the quantiles, in which no value counts for more than one piece.

    Where no value is so frequent these are the plain quantiles. Of few different values each is an edge.
    """
    starts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]])) if len(ordered) else np.zeros(0, np.int64)
    values, weights = ordered[starts], np.diff(np.append(starts, len(ordered))).astype(np.float64)
    if len(values) < 2 or weights.max() <= len(ordered) / (count - 1):
        return quantiles(ordered, np.linspace(0, 1, count))
    if len(values) <= count:
        return values
    for _ in range(200):  # what is cut from one value makes all pieces smaller, and with them the most that a value counts for
        most = weights.sum() / (count - 1)
        if weights.max() <= most * (1 + 1e-12):
            break
        weights = np.minimum(weights, most)
    reached = np.cumsum(weights)
    wanted = np.linspace(0, reached[-1], count)
    return values[np.unique(np.minimum(np.searchsorted(reached, wanted), len(values) - 1))]


def thin(ordered: np.ndarray, limit: int = BLOCK) -> np.ndarray:
    """Every k-th of sorted values, at most about `limit`, the last included: the shape of a distribution at a bounded cost."""
    step = -(-len(ordered) // limit)
    return np.append(ordered[::step], ordered[-1]) if step > 1 else ordered


def mode(ordered: np.ndarray) -> float:
    """The most frequent of sorted values, the smallest on a tie; 0 when there is none."""
    if not len(ordered):
        return 0.0
    starts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
    lengths = np.diff(np.append(starts, len(ordered)))
    return float(ordered[starts[np.argmax(lengths)]])


def skewness(values: np.ndarray) -> float:
    """The third standardised moment; 0 for constant values."""
    centred = values - values.mean() if len(values) else values
    deviation = math.sqrt(float(np.mean(centred * centred))) if len(values) else 0.0
    if deviation == 0:
        return 0.0
    centred /= deviation
    return float(np.mean(centred * centred * centred))


def normal_quantile(p: np.ndarray) -> np.ndarray:
    """The inverse of the normal distribution function for 0 < p < 1, relative error below 1e-15 (Wichura 1988, AS 241, PPND16)."""
    q = p - 0.5
    r = 0.180625 - q * q
    result = q * ratio(CENTRE, r)
    tails = np.abs(q) > 0.425
    if tails.any():
        side = q[tails]
        r = np.sqrt(-np.log(np.where(side < 0, p[tails], 1 - p[tails])))
        far = np.where(r <= 5, ratio(MIDDLE, r - 1.6), ratio(FAR, r - 5))
        result[tails] = np.where(side < 0, -far, far)
    return result


def ratio(coefficients: tuple[tuple[float, ...], tuple[float, ...]], r: np.ndarray) -> np.ndarray:
    """A ratio of two polynomials, coefficients from the highest power down."""
    above, below = coefficients
    return np.polyval(above, r) / np.polyval(below, r)


CENTRE = (
    (2.5090809287301226727e3, 3.3430575583588128105e4, 6.7265770927008700853e4, 4.5921953931549871457e4,
     1.3731693765509461125e4, 1.9715909503065514427e3, 1.3314166789178437745e2, 3.3871328727963666080e0),
    (5.2264952788528545610e3, 2.8729085735721942674e4, 3.9307895800092710610e4, 2.1213794301586595867e4,
     5.3941960214247511077e3, 6.8718700749205790830e2, 4.2313330701600911252e1, 1.0),
)  # fmt: skip
MIDDLE = (
    (7.74545014278341407640e-4, 2.27238449892691845833e-2, 2.41780725177450611770e-1, 1.27045825245236838258e0,
     3.64784832476320460504e0, 5.76949722146069140550e0, 4.63033784615654529590e0, 1.42343711074968357734e0),
    (1.05075007164441684324e-9, 5.47593808499534494600e-4, 1.51986665636164571966e-2, 1.48103976427480074590e-1,
     6.89767334985100004550e-1, 1.67638483018380384940e0, 2.05319162663775882187e0, 1.0),
)  # fmt: skip
FAR = (
    (2.01033439929228813265e-7, 2.71155556874348757815e-5, 1.24266094738807843860e-3, 2.65321895265761230930e-2,
     2.96560571828504891230e-1, 1.78482653991729133580e0, 5.46378491116411436990e0, 6.65790464350110377720e0),
    (2.04426310338993978564e-15, 1.42151175831644588870e-7, 1.84631831751005468180e-5, 7.86869131145613259100e-4,
     1.48753612908506148525e-2, 1.36929880922735805310e-1, 5.99832206555887937690e-1, 1.0),
)  # fmt: skip

"""What policies make of uniform numbers: choices, signs, and numbers of other distributions."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from statistics import NormalDist

SMALLEST = 2.0**-25
"""Half of the least number above 0 that torch.rand gives, in place of 0."""


class Uniform:
    """The uniform numbers of one sample, handed out one after the other."""

    def __init__(self, numbers: Sequence[float]) -> None:
        self.numbers: Iterator[float] = iter(numbers)

    def take(self) -> float:
        """The next number, in [0, 1)."""
        return next(self.numbers)

    def below(self, count: int) -> int:
        """A whole number from 0 to count - 1."""
        return min(int(self.take() * count), count - 1)

    def sign(self) -> float:
        """1 or -1."""
        return -1.0 if self.take() > 0.5 else 1.0

    def gamma(self, shape: float) -> float:
        """Of the gamma distribution of scale 1."""
        number = max(self.take(), SMALLEST)
        if shape == 1.0:
            return -math.log1p(-number)
        from scipy.special import gammaincinv

        return float(gammaincinv(shape, number))

    def dirichlet(self, alpha: float, count: int) -> list[float]:
        """`count` shares that sum to 1."""
        drawn = [self.gamma(alpha) for _ in range(count)]
        total = sum(drawn)
        return [each / total for each in drawn] if total > 0 else [1 / count] * count

    def magnitude(self, mean: float, deviation: float, highest: float) -> float:
        """A magnitude about its mean, from 0 to `highest`; uniform from 0 to the mean where the deviation is infinite."""
        number = self.take()
        if math.isinf(deviation):
            mean = number * mean
        elif deviation > 0:
            mean = NormalDist(mean, deviation).inv_cdf(min(max(number, SMALLEST), 1 - SMALLEST))
        return max(0.0, min(mean, highest))


def weighted_choices(numbers: Sequence[float], weights: Sequence[float]) -> list[int]:
    """One place for each number, in proportion to the weights, none twice."""
    left, found = list(weights), []
    for number in numbers:
        mark, place = number * sum(left), -1
        for at, weight in enumerate(left):
            if weight > 0:
                place, mark = at, mark - weight
                if mark < 0:
                    break
        found.append(place)
        left[place] = 0.0
    return found

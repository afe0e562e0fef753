"""Cycles that follow each other: which one a step is in, and how far."""

from __future__ import annotations

import math
from fractions import Fraction


class Cycles:
    """`count` cycles (None: without end), the first `first` steps long, each `growth` times as long as the one before.

    Where they begin is counted in fractions, so that they meet where they should; the present cycle is kept, so that a step costs little.
    """

    def __init__(self, first: int | Fraction, count: int | None = 1, growth: float = 1.0) -> None:
        self.first, self.count, self.growth = Fraction(first), count, Fraction(growth)
        self.number, self.begin, self.end = 0, 0, -1
        self.start = self.length = 0.0

    @classmethod
    def filling(cls, length: int, count: int, growth: float) -> Cycles:
        """`count` cycles that together take `length` steps."""
        ratio = Fraction(growth)
        parts = Fraction(count) if ratio == 1 else (ratio**count - 1) / (ratio - 1)
        return cls(Fraction(length) / parts, count, growth)

    def at(self, step: int) -> tuple[int, float]:
        """The number of the cycle that `step` is in, from 0, and the share of it that is over: 1 only after the last."""
        if not self.begin <= step < self.end:
            if self._is_over(step):
                return (self.count or 1) - 1, 1.0
            self._keep(self._number(step))
        return self.number, (step - self.start) / self.length

    def _is_over(self, step: int) -> bool:
        return not self.first or (self.count is not None and step >= self._start(self.count))

    def _keep(self, number: int) -> None:
        start, end = self._start(number), self._start(number + 1)
        self.number, self.begin, self.end = number, math.ceil(start), math.ceil(end)
        self.start, self.length = float(start), float(end - start)

    def _number(self, step: int) -> int:
        if self.growth == 1:
            return int(step // self.first)
        number = max(int(math.log(step * (self.growth - 1) / self.first + 1, self.growth)), 0)
        while self._start(number) > step:  # the logarithm may be off by one at a border
            number -= 1
        while self._start(number + 1) <= step:
            number += 1
        return number

    def _start(self, number: int) -> Fraction:
        if self.growth == 1:
            return number * self.first
        return self.first * (self.growth**number - 1) / (self.growth - 1)

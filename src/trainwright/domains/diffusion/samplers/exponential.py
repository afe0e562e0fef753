"""The functions φ of exponential integrators, exact where their textbook form loses its digits."""

from __future__ import annotations

import math


def phi(k: int, z: float) -> float:
    """φ_k(z) = Σ_j z^j / (j + k)!: φ_0 = e^z and φ_{k+1} = (φ_k − 1/k!) / z, Hochbruck & Ostermann (2010), equation 2.10."""
    return phis(k, 1, z)[0]


def phis(first: int, count: int, z: float) -> list[float]:
    """φ_k(z) for `count` k from `first` on.

    Upwards the recurrence loses digits where z is small: there the last is summed, and the others follow downwards.
    """
    last = first + count - 1
    if abs(z) >= 1:
        found = [math.exp(z), math.expm1(z) / z]
        for k in range(1, last):
            found.append((found[k] - 1 / math.factorial(k)) / z)
        return found[first : last + 1]
    total = 1.0
    for j in range(18, 0, -1):
        total = 1 + total * z / (j + last)
    found = [total / math.factorial(last)]
    for k in range(last - 1, first - 1, -1):
        found.append(1 / math.factorial(k) + z * found[-1])
    return found[::-1]

"""The functions φ of exponential integrators, exact where their textbook form loses its digits."""

from __future__ import annotations

import math


def phi(k: int, z: float) -> float:
    """φ_k(z) = Σ_j z^j / (j + k)!: φ_0 = e^z and φ_{k+1} = (φ_k − 1/k!) / z, Hochbruck & Ostermann (2010), equation 2.10.

    That recurrence loses a digit for each digit of 1/z and each k, so the series is summed where |z| < 1.
    """
    if abs(z) < 1:
        term = total = 1 / math.factorial(k)
        for j in range(1, 20):
            term *= z / (j + k)
            total += term
        return total
    value = math.expm1(z) / z if k else math.exp(z)
    for each in range(1, k):
        value = (value - 1 / math.factorial(each)) / z
    return value

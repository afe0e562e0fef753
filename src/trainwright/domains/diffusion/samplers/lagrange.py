"""Integrals of Lagrange polynomials, which multistep methods weigh their past slopes by."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cache

import numpy as np

from trainwright.config.errors import RequestError


@cache
def _gauss(points: int) -> list[tuple[float, float]]:
    places, weights = np.polynomial.legendre.leggauss(points)
    return list(zip(places.tolist(), weights.tolist(), strict=True))


def lagrange_integrals(
    nodes: Sequence[float], start: float, end: float, points: int, weight: Callable[[float], float] | None = None
) -> list[float]:
    """∫ weight(u) · ℓ_j(u) du from `start` to `end` for every j, ℓ_j the polynomial that is 1 at nodes[j] and 0 at the others.

    By Gauss–Legendre quadrature, which without a weight is exact where 2 · points ≥ the number of nodes.
    """
    half, middle = (end - start) / 2, (end + start) / 2
    others = [[k for k in range(len(nodes)) if k != j] for j in range(len(nodes))]
    totals = [0.0] * len(nodes)
    for place, share in _gauss(points):
        u = middle + half * place
        distances = [u - node for node in nodes]
        here = share if weight is None else share * weight(u)
        for j, rest in enumerate(others):
            totals[j] += here * math.prod(distances[k] for k in rest)
    return [half * totals[j] / math.prod(nodes[j] - nodes[k] for k in rest) for j, rest in enumerate(others)]


def multistep_weights(order: int, t: Sequence[float], i: int) -> list[float]:
    """What Adams–Bashforth of `order` weighs the slopes at t[i], t[i − 1], … by in the step from t[i] to t[i + 1]: Hairer et al., III.1."""
    return lagrange_integrals([t[i - k] for k in range(order)], t[i], t[i + 1], points=(order + 1) // 2)


def linear_multistep_coeff(order: int, t: Sequence[float], i: int, j: int) -> float:
    """What Adams–Bashforth of `order` weighs the slope at t[i − j] by in the step from t[i] to t[i + 1], after k-diffusion's function.

    Raises RequestError where there are fewer than `order` slopes.
    """
    if order - 1 > i:
        raise RequestError(f"order {order} is too high for step {i}", where="order", why=f"there are {i + 1} slopes so far", fix=f"{i + 1}")
    return multistep_weights(order, t, i)[j]


def check_order(order: int, sampler: str, highest: int = 8) -> None:
    """Raises RequestError unless `order` is a whole number from 1 to `highest`."""
    if isinstance(order, bool) or not isinstance(order, int) or not 1 <= order <= highest:
        raise RequestError(f"order is {order!r}", where=sampler, fix=f"a whole number from 1 to {highest}")


def falling_order(i: int, n: int, order: int, lower_order_final: bool | None) -> int:
    """The order of step `i` of `n`: it grows from 1, and where `lower_order_final`, falls back to 1 with the steps that are left.

    None: only with fewer than 15 steps, where it steadies the last of them; with more it would cost the method its order.
    """
    rising = min(order, i + 1)
    return min(rising, n - i) if (n < 15 if lower_order_final is None else lower_order_final) else rising

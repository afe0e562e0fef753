"""What multistep methods weigh past values by: so that polynomials through them are integrated exactly."""

from __future__ import annotations

from collections.abc import Sequence

from trainwright.config.errors import RequestError


def match_moments(nodes: Sequence[float], moments: Sequence[float]) -> list[float]:
    """Weights with Σ_j w_j nodes_j^k = moments_k for k = 0 …: those of a quadrature that is exact for polynomials.

    The algorithm of Björck & Pereyra (1970) for Vandermonde systems, which keeps its digits where elimination loses them.
    """
    found, last = list(moments), len(nodes) - 1
    for k in range(last):
        for i in range(last, k, -1):
            found[i] -= nodes[k] * found[i - 1]
    for k in range(last - 1, -1, -1):
        for i in range(k + 1, last + 1):
            found[i] /= nodes[i] - nodes[i - k - 1]
        for i in range(k, last):
            found[i] -= found[i + 1]
    return found


def multistep_weights(order: int, t: Sequence[float], i: int) -> list[float]:
    """What Adams–Bashforth of `order` weighs the slopes at t[i], t[i − 1], … by in the step from t[i] to t[i + 1]: Hairer et al., III.1."""
    step = t[i + 1] - t[i]
    return match_moments([(t[i - j] - t[i]) / step for j in range(order)], [step / (k + 1) for k in range(order)])


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

"""How a better and a worse prediction make a guided one. All are predictions of the clean sample, D(x; σ)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from trainwright.config.errors import RequestError, nearest
from trainwright.nn.dims import append_dims

ANEW = 1.5
"""A level that is so many times the one before begins another sampling: churn raises sigma by √2 at most."""


class Rule:
    """Makes a guided prediction of a better and a worse one (b, …), a scale (b,) whose 1 changes nothing, x and sigma (b,)."""

    def __call__(self, better: Tensor, worse: Tensor, scale: Tensor, x: Tensor, sigma: Tensor) -> Tensor:
        raise NotImplementedError


class Linear(Rule):
    """worse + w (better − worse): classifier-free guidance (Ho and Salimans 2022), with the scale of Imagen (Saharia et al. 2022)."""

    def __call__(self, better: Tensor, worse: Tensor, scale: Tensor, x: Tensor, sigma: Tensor) -> Tensor:
        return torch.lerp(worse, better, along(scale, x))


class Previous:
    """Which rows begin another sampling at a call: those whose sigma is well above that of the call before. Nothing is waited for."""

    def __init__(self) -> None:
        self._sigma: Tensor | None = None

    def begun(self, sigma: Tensor) -> Tensor:
        """True for rows of sigma (b,) that begin."""
        known, self._sigma = self._sigma, sigma
        if known is None or known.shape != sigma.shape:
            return torch.ones_like(sigma, dtype=torch.bool)
        return sigma > ANEW * known


class AdaptiveProjection(Rule):
    """better + (w − 1) (orthogonal + η parallel) of the difference to `better`: APG (Sadat, Hilliges and Weber 2024, algorithm 1).

    Large scales saturate less, since the part along `better` is what saturates. Differences are cut to the norm `norm_threshold` a row, and
    are taken together with those before, times `momentum`, which is below 0 in the paper.
    """

    def __init__(self, eta: float = 0.0, norm_threshold: float = 15.0, momentum: float = -0.5) -> None:
        """Raises RequestError where the momentum is not within (−1, 1), or the norm not above 0."""
        if not -1 < momentum < 1:
            raise RequestError(
                f"guidance with momentum {momentum:g}", why="it sums earlier differences and must be within -1 and 1", fix="-0.5"
            )
        if not norm_threshold > 0:
            raise RequestError(f"guidance cut to the norm {norm_threshold:g}", fix="norm_threshold=15, or inf to cut nothing")
        self.eta, self.norm_threshold, self.momentum = eta, norm_threshold, momentum
        self._previous, self._sum = Previous(), torch.zeros(())

    def __call__(self, better: Tensor, worse: Tensor, scale: Tensor, x: Tensor, sigma: Tensor) -> Tensor:
        difference = better - worse
        if self.momentum:
            begun = along(self._previous.begun(sigma), x)
            difference = difference + self.momentum * torch.where(begun, 0.0, self._sum)
            self._sum = difference
        norm = over_rows(difference * difference).sqrt()
        difference = difference * divide_safely(self.norm_threshold, norm).clamp_max(1.0)
        parallel = better * divide_safely(over_rows(difference * better), over_rows(better * better))
        return better + along(scale - 1, x) * (difference - (1 - self.eta) * parallel)


class ZeroStar(Rule):
    """CFG-Zero* (Fan et al. 2025) for models of flows: the worse velocity u times its best share ⟨v, u⟩/|u|², and no motion at first.

    The velocity of a prediction D at (x, σ) is (x − D)/σ − D, that of x/(1 + σ) at the time σ/(1 + σ).
    """

    def __init__(self, zero_first: bool = True) -> None:
        self.zero_first = zero_first
        self._previous, self._first = Previous(), torch.zeros(())

    def __call__(self, better: Tensor, worse: Tensor, scale: Tensor, x: Tensor, sigma: Tensor) -> Tensor:
        level = along(sigma, x)
        toward, away = ((x - each) / level - each for each in (better, worse))
        away = away * divide_safely(over_rows(toward * away), over_rows(away * away))
        velocity = torch.lerp(away, toward, along(scale, x))
        if self.zero_first:
            self._first = torch.where(self._previous.begun(sigma), sigma, self._first)
            velocity = torch.where(along(sigma >= self._first, x), 0.0, velocity)
        return (x - level * velocity) / (1 + level)


RULES: dict[str, Callable[[], Rule]] = {"linear": Linear, "apg": AdaptiveProjection, "zero_star": ZeroStar}


def rule_named(name: str | Rule | None) -> Rule:
    """The rule of a name, a new one; RequestError where there is none."""
    if isinstance(name, Rule):
        return name
    if (name or "linear") not in RULES:
        close = nearest(str(name), RULES)
        fix = f"did you mean '{close}'?" if close else "'linear'"
        raise RequestError(f"no rule of guidance is called '{name}'", why=f"there are {', '.join(RULES)}", fix=fix)
    return RULES[name or "linear"]()


def rescale_guided(guided: Tensor, better: Tensor, phi: float) -> Tensor:
    """`guided` (b, …), less overexposed: its deviation within each row is moved by φ to that of `better` (Lin et al. 2023, 15 and 16)."""
    if guided.shape[1:].numel() < 2:
        raise RequestError("guidance of single numbers cannot be rescaled", why="one number has no deviation", fix="rescale=0")
    dims = list(range(1, guided.ndim))
    ratio = better.std(dims, keepdim=True) / guided.std(dims, keepdim=True)
    return guided * (phi * ratio + (1 - phi))


def along(numbers: Tensor, x: Tensor) -> Tensor:
    """One number a row (b,) with the dimensions of x, in its type unless they are true or false."""
    return append_dims(numbers if numbers.dtype == torch.bool else numbers.to(x.dtype), x.ndim)


def over_rows(products: Tensor) -> Tensor:
    """The sum within each row (b, 1, …)."""
    return products.sum(list(range(1, products.ndim)), keepdim=True)


def divide_safely(above: Tensor | float, below: Tensor) -> Tensor:
    """A quotient that is 0 where it is 0/0: a direction of length 0 has no part along it."""
    return above / torch.where(below == 0, 1.0, below)

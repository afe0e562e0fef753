"""Averages of weights whose profile is a power of time, and any other such profile as a sum of them, after training.

After Karras et al. 2024, "Analyzing and Improving the Training Dynamics of Diffusion Models", section 3 and appendix C.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from trainwright.config.errors import RequestError

WIDEST = 0.28
"""The widest profile: at 0.2887 all weights of the run count alike."""


def check_sigma_rel(sigma_rel: float) -> None:
    """Raises RequestError for a width that no growing power has."""
    if not 0 < sigma_rel <= WIDEST:
        what = f"the relative width {sigma_rel:g} of an average is impossible"
        raise RequestError(what, fix=f"give a number above 0, at most {WIDEST}, such as 0.05 or 0.1")


def gamma_of(sigma_rel: float) -> float:
    """The power γ whose profile (τ/t)^γ has this standard deviation, as a share of t.

    The largest root of γ³ + 7γ² + (16 − σ⁻²)γ + 12 − σ⁻², which is σ² = (γ + 1) / ((γ + 2)²(γ + 3)) (equation 123). Raises RequestError
    for a width outside 0 to 0.28.
    """
    check_sigma_rel(sigma_rel)
    inverse = sigma_rel**-2
    roots = np.roots([1.0, 7.0, 16.0 - inverse, 12.0 - inverse])
    return float(max(roots[np.abs(roots.imag) < 1e-9].real))


def power_decay(updates: int, gamma: float) -> float:
    """What update number `updates` keeps of the average: (1 − 1/updates)^(γ + 1) (equation 127); the first keeps nothing."""
    return float((1 - 1 / updates) ** (gamma + 1))


@dataclass(frozen=True)
class Profile:
    """The average at `time` with weights that grow as the `gamma`-th power of time."""

    time: float
    gamma: float


def overlap(first: Profile, second: Profile) -> float:
    """The integral of the product of two profiles, (γ + 1)/t · (τ/t)^γ each, up to the earlier of their times."""
    power = first.gamma + second.gamma + 1
    earlier = math.log(min(first.time, second.time))
    scale = sum((each.gamma + 1) * math.log(each.time) for each in (first, second))
    return (first.gamma + 1) * (second.gamma + 1) / power * math.exp(power * earlier - scale)


@dataclass(frozen=True)
class Mixture:
    """A sum of averages that comes near to another profile."""

    coefficients: list[float]
    """One for each average; they add up to 1."""
    error: float
    """The distance of the profiles, as a share of the length of the one that was asked for."""


def mix(averages: Sequence[Profile], wanted: Profile) -> Mixture:
    """The sum of averages whose profile is nearest to another one in squares (algorithm 3).

    Raises RequestError without averages, or for a time later than all of theirs.
    """
    if not averages:
        raise RequestError("there are no averages to make another of", fix="train with trainer.ema.sigma_rel: [0.05, 0.1]")
    if wanted.time > max(each.time for each in averages):
        raise RequestError(f"no average is as late as step {wanted.time:g}", fix=f"the latest is of step {max(e.time for e in averages):g}")
    products = np.array([[overlap(a, b) for b in averages] for a in averages])
    aims = np.array([overlap(each, wanted) for each in averages])
    found = _solve(products, aims)
    found = found / found.sum()
    length = overlap(wanted, wanted)
    squared = 1 - 2 * float(found @ aims) / length + float(found @ products @ found) / length
    return Mixture(found.tolist(), math.sqrt(max(squared, 0.0)))


def _solve(products: npt.NDArray[np.float64], aims: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Least squares; the equations are scaled to ones, since lengths of profiles differ by orders."""
    scale = np.sqrt(np.diag(products))
    equations = products / np.outer(scale, scale)
    if np.linalg.cond(equations) < 1e13:
        found = np.linalg.solve(equations, aims / scale)
    else:  # two averages that are all but one
        found = np.linalg.lstsq(equations, aims / scale, rcond=1e-12)[0]
    solved: npt.NDArray[np.float64] = found / scale
    return solved

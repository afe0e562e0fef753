"""Steps of DPM-Solver of orders 1 to 3 on the noise prediction, from which `dpm_fast` and `dpm_adaptive` are made."""

from __future__ import annotations

import math

from torch import Tensor

from trainwright.config.errors import RequestError
from trainwright.domains.diffusion.samplers.steps import Steps, get_ancestral_step


class SolverStep:
    """One step from x at λ = −ln σ = `t` to `t_next`, Lu et al. (2022, DPM-Solver), algorithms 1 to 3; its calls are made once each.

    Steps of two orders share them, so that the 12 and 23 pairs of `dpm_adaptive` cost no more than the higher order.
    """

    def __init__(self, steps: Steps, x: Tensor, t: float, t_next: float) -> None:
        self.steps, self.x, self.t, self.h = steps, x, t, t_next - t
        self.denoised = steps.denoise(x, math.exp(-t))
        self.noise = (x - self.denoised) / math.exp(-t)
        self._first: dict[float, Tensor] = {}

    def order(self, order: int, r: float | None = None) -> Tensor:
        """x at the end of the step, of order 1, 2 (its stage at `r` of the step, ½ by default) or 3."""
        return self._one() if order == 1 else self._two(0.5 if r is None else r) if order == 2 else self._three()

    def _one(self) -> Tensor:
        return self._move(1.0)

    def _two(self, r1: float) -> Tensor:
        change = self._noise_at(r1) - self.noise
        return self._move(1.0).sub(change, alpha=self._sigma(1.0) / (2 * r1) * math.expm1(self.h))

    def _three(self, r1: float = 1 / 3, r2: float = 2 / 3) -> Tensor:
        change = self._noise_at(r1) - self.noise
        second = self._move(r2).sub(change, alpha=self._sigma(r2) * (r2 / r1) * self._growth(r2 * self.h))
        change = self._predict(second, r2) - self.noise
        return self._move(1.0).sub(change, alpha=self._sigma(1.0) / r2 * self._growth(self.h))

    def _sigma(self, share: float) -> float:
        return math.exp(-(self.t + share * self.h))

    def _growth(self, h: float) -> float:
        return math.expm1(h) / h - 1

    def _move(self, share: float) -> Tensor:
        """x at a share of the step, were the noise all along what it is at the beginning."""
        return self.x.sub(self.noise, alpha=self._sigma(share) * math.expm1(share * self.h))

    def _noise_at(self, share: float) -> Tensor:
        if share not in self._first:
            self._first[share] = self._predict(self._move(share), share)
        return self._first[share]

    def _predict(self, x: Tensor, share: float) -> Tensor:
        return (x - self.steps.denoise(x, self._sigma(share))) / self._sigma(share)


def ends_of(steps: Steps) -> tuple[float, float]:
    """λ = −ln σ of the first level and of the last above 0, between which steps are chosen; raises RequestError for a single one."""
    positive = [each for each in steps.levels if each > 0]
    if len(positive) < 2:
        why = "its steps lie between the first level and the last above 0"
        raise RequestError(f"{steps.sampler} was given one level above 0", where="sigmas", why=why, fix="[sigma_max, …, sigma_min, 0]")
    return -math.log(positive[0]), -math.log(positive[-1])


def step_down(t: float, t_next: float, end: float, eta: float) -> tuple[float, float]:
    """(t_down, up): where the step from `t` to `t_next` in λ ends below its level, `end` at most, and the noise that leads back up."""
    sigma_next = math.exp(-t_next)
    down, up = get_ancestral_step(math.exp(-t), sigma_next, eta)
    if not up:
        return t_next, 0.0
    t_down = min(end, -math.log(down)) if down > 0 else end
    return t_down, math.sqrt(max(sigma_next**2 - math.exp(-t_down) ** 2, 0.0))

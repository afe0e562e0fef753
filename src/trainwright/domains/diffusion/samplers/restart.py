"""Restart sampling: down with an ODE sampler, then several times back up with noise and down again."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from trainwright.config.errors import RequestError, did_you_mean
from trainwright.domains.diffusion.samplers.deis import sample_deis
from trainwright.domains.diffusion.samplers.dpm_2 import sample_dpm_2
from trainwright.domains.diffusion.samplers.dpmpp_2m import sample_dpmpp_2m
from trainwright.domains.diffusion.samplers.euler import sample_euler
from trainwright.domains.diffusion.samplers.heun import sample_heun
from trainwright.domains.diffusion.samplers.lms import sample_lms
from trainwright.domains.diffusion.samplers.steps import (
    Callback,
    DenoiserCall,
    ExtraArgs,
    NoiseSampler,
    Sigmas,
    Steps,
    add_noise,
    default_noise_sampler,
)
from trainwright.domains.diffusion.samplers.unipc import sample_unipc
from trainwright.domains.diffusion.schedules.ramps import get_sigmas_karras

SOLVERS: dict[str, Callable[..., Tensor]] = {
    "euler": sample_euler,
    "heun": sample_heun,
    "dpm_2": sample_dpm_2,
    "lms": sample_lms,
    "dpmpp_2m": sample_dpmpp_2m,
    "deis": sample_deis,
    "unipc": sample_unipc,
}
"""Samplers without noise of their own, which can go down a part of the way."""

Restarts = Mapping[float, Sequence[float]]
RESTARTS: Restarts = {0.1: (9, 1, 2.0)}


class Restart(NamedTuple):
    """At the level number `at`, `times` times: noise up to `sigma_high`, and down again in `steps` steps."""

    at: int
    steps: int
    times: int
    sigma_high: float


@torch.no_grad()
def sample_restart(
    denoiser: DenoiserCall,
    x: Tensor,
    sigmas: Sigmas,
    extra_args: ExtraArgs = None,
    callback: Callback | None = None,
    disable: bool | None = None,
    *,
    restarts: Restarts | None = None,
    solver: str = "heun",
    s_noise: float = 1.0,
    noise_sampler: NoiseSampler | None = None,
) -> Tensor:
    """Restart sampling, Xu et al. (2023), algorithm 1: at σ_low, `times` times, noise up to σ_high and `steps` steps back down.

    `restarts` are {σ_low: [steps, times, σ_high]}, σ_low taken as the nearest of `sigmas` ({0.1: [9, 1, 2]} by default), the levels of
    a restart those of Karras et al. Calls are those of `solver` for N + steps · times steps. Raises RequestError for a solver that is no
    ODE sampler, and for restarts that do not fit `sigmas`.
    """
    if solver not in SOLVERS:
        why = "restart sampling takes a sampler without noise of its own down each part of the way"
        raise RequestError(f"'{solver}' cannot be the solver of restarts", where="restart", why=why, fix=did_you_mean(solver, SOLVERS))
    steps = Steps("restart", denoiser, x, sigmas, extra_args, callback)
    noise, told = noise_sampler or default_noise_sampler(x), None if callback is None else _Counted(callback)

    def down(x: Tensor, levels: Sequence[float]) -> Tensor:
        return SOLVERS[solver](denoiser, x, levels, extra_args, told) if len(levels) > 1 else x

    begin = 0
    for each in plan_restarts(steps.levels, RESTARTS if restarts is None else restarts):
        low = steps.levels[each.at]
        x = down(x, steps.levels[begin : each.at + 1])
        again = [*get_sigmas_karras(each.steps + 1, low, each.sigma_high, dtype=torch.float64)[: each.steps].tolist(), low]
        for _ in range(each.times):
            x = down(add_noise(x, noise, low, each.sigma_high, s_noise * math.sqrt(each.sigma_high**2 - low**2)), again)
        begin = each.at
    return down(x, steps.levels[begin:])


def plan_restarts(levels: list[float], restarts: Restarts) -> list[Restart]:
    """The restarts in the order in which the walk down `levels` meets them; raises RequestError for one that does not fit."""
    found = [_plan_one(levels, float(low), entry) for low, entry in restarts.items()]
    return sorted(found, key=lambda each: each.at)


def _plan_one(levels: list[float], low: float, entry: Sequence[float]) -> Restart:
    where = f"restarts[{low:g}]"
    if len(entry) != 3 or any(int(each) != each or each < 1 for each in entry[:2]):
        raise RequestError(
            f"{list(entry)!r} is no restart", where=where, fix="[steps, times, sigma_high], the first two whole numbers from 1"
        )
    positive = [each for each in levels if each > 0]
    if not positive[-1] * (1 - 1e-9) <= low < positive[0]:
        why = f"the levels above 0 go from {positive[0]:g} to {positive[-1]:g}"
        raise RequestError(f"no restart from {low:g}", where=where, why=why, fix="a level between the two")
    at = max(1, min(range(len(positive)), key=lambda i: abs(math.log(positive[i] / low))))
    if not levels[at] < entry[2] <= levels[0] * (1 + 1e-9):
        why = f"the restart is at the level {levels[at]:g}, and the first of all is {levels[0]:g}"
        raise RequestError(f"no restart up to {entry[2]:g}", where=where, why=why, fix="a sigma_high between the two")
    return Restart(at, int(entry[0]), int(entry[1]), float(entry[2]))


class _Counted:
    """A callback that counts steps over all parts of the way."""

    def __init__(self, callback: Callback) -> None:
        self.callback, self.numbers = callback, itertools.count()

    def __call__(self, info: dict[str, Any]) -> None:
        self.callback({**info, "i": next(self.numbers)})

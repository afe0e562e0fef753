"""DPM-Solver with steps as long as their error allows."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from trainwright.config.errors import RequestError
from trainwright.domains.diffusion.samplers.dpm_solver import SolverStep, ends_of, step_down
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


@torch.no_grad()
def sample_dpm_adaptive(
    denoiser: DenoiserCall,
    x: Tensor,
    sigmas: Sigmas,
    extra_args: ExtraArgs = None,
    callback: Callback | None = None,
    disable: bool | None = None,
    order: int = 3,
    rtol: float = 0.05,
    atol: float = 0.0078,
    h_init: float = 0.05,
    pcoeff: float = 0.0,
    icoeff: float = 1.0,
    dcoeff: float = 0.0,
    accept_safety: float = 0.81,
    eta: float = 0.0,
    s_noise: float = 1.0,
    noise_sampler: NoiseSampler | None = None,
    return_info: bool = False,
) -> Any:
    """DPM-Solver-12 (`order` 2) or -23 (3), Lu et al. (2022, DPM-Solver), appendix C, with the step control of k-diffusion.

    A try makes `order` calls, also where its error is too large. Of `sigmas` the first and the last above 0 count, and x ends at the
    latter. One error of the whole batch decides, so a sample depends on its batch. With `return_info` also a dict of steps, nfe,
    n_accept, n_reject. Raises RequestError for tolerances that are not above 0 and for another order.
    """
    steps = Steps("dpm_adaptive", denoiser, x, sigmas, extra_args, callback)
    _check(order, rtol, atol, h_init)
    noise = noise_sampler or default_noise_sampler(x)
    control = PIDStepSizeController(h_init, pcoeff, icoeff, dcoeff, 1.5 if eta else order, accept_safety)
    info = {"steps": 0, "nfe": 0, "n_accept": 0, "n_reject": 0}
    x_low_last = x
    t, end = ends_of(steps)
    while t < end - 1e-5:
        t_next = min(end, t + control.h)
        sigma, sigma_next = math.exp(-t), math.exp(-t_next)
        t_down, up = step_down(t, t_next, end, eta)
        step = SolverStep(steps, x, t, t_down)
        x_low, x_high = step.order(order - 1, 1 / 3), step.order(order)
        error = _error(x_low, x_high, x_low_last, rtol, atol)
        accepted = control.propose_step(error)
        info = _counted(info, order, accepted)
        steps.tell(x, info["steps"] - 1, sigma, sigma, step.denoised, error=error, h=control.h, **info)
        if accepted:
            x, x_low_last, t = add_noise(x_high, noise, sigma, sigma_next, s_noise * up), x_low, t_next
    return (x, info) if return_info else x


@dataclass
class PIDStepSizeController:
    """Lengths of steps by the last three errors, Söderlind (2003); the factor is limited smoothly to 1 + arctan(factor − 1)."""

    h: float
    pcoeff: float
    icoeff: float
    dcoeff: float
    order: float = 1.0
    accept_safety: float = 0.81
    eps: float = 1e-8
    inverse_errors: list[float] = field(default_factory=list)

    def propose_step(self, error: float) -> bool:
        """Whether a step of this error, in units of the tolerance, is accepted; sets the length `h` of the next."""
        powers = (self.pcoeff + self.icoeff + self.dcoeff, -(self.pcoeff + 2 * self.dcoeff), self.dcoeff)
        inverse = 1 / (error + self.eps)
        self.inverse_errors = [inverse, *self.inverse_errors[1:]] if self.inverse_errors else [inverse] * 3
        raw = math.prod(each ** (power / self.order) for each, power in zip(self.inverse_errors, powers, strict=True))
        factor = 1 + math.atan(raw - 1)
        accepted = factor >= self.accept_safety
        if accepted:
            self.inverse_errors = [inverse, *self.inverse_errors[:2]]
        self.h *= factor
        return accepted


def _error(low: Tensor, high: Tensor, low_last: Tensor, rtol: float, atol: float) -> float:
    """The root mean square of the difference of both orders, in units of the tolerance. Raises RequestError where it is no number."""
    allowed = torch.maximum(low.abs(), low_last.abs()).mul_(rtol).clamp_(min=atol)
    error = float(torch.linalg.vector_norm((low - high).div_(allowed))) / math.sqrt(max(low.numel(), 1))
    if not math.isfinite(error):
        why, fix = "the denoiser gave numbers that are not finite", "look at what it gives of x at sigmas[0], or run it in float32"
        raise RequestError(f"the error of a step is {error}", where="dpm_adaptive", why=why, fix=fix)
    return error


def _counted(info: dict[str, int], order: int, accepted: bool) -> dict[str, int]:
    told = "n_accept" if accepted else "n_reject"
    return info | {"steps": info["steps"] + 1, "nfe": info["nfe"] + order, told: info[told] + 1}


def _check(order: int, rtol: float, atol: float, h_init: float) -> None:
    if order not in (2, 3):
        raise RequestError(f"order is {order!r}", where="dpm_adaptive", fix="2 or 3")
    for name, value in (("rtol", rtol), ("atol", atol), ("h_init", h_init)):
        if not 0 < value < math.inf:
            raise RequestError(f"{name} is {value!r}", where="dpm_adaptive", fix="a number above 0")

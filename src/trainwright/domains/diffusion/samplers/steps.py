"""What every sampler does: walks down noise levels, calls the denoiser, tells a callback, adds noise."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from trainwright.config.errors import RequestError
from trainwright.domains.diffusion.noise.brownian import BrownianNoise
from trainwright.domains.diffusion.samplers.levels import check_table, read_levels, warn_of_scale
from trainwright.nn.dims import append_dims

DenoiserCall = Callable[..., Tensor]
"""`denoiser(x, sigma, **extra_args)`: x (b, …) with noise of deviation sigma (b,) → what it would be without, (b, …)."""
Callback = Callable[[dict[str, Any]], object]
"""Told of every step before its update: a dict of x, i, sigma, sigma_hat, denoised."""
ExtraArgs = dict[str, Any] | None
Sigmas = Tensor | Sequence[float]


class NoiseSampler(Protocol):
    """Standard normal numbers like x for the step from one noise level to another."""

    def __call__(self, sigma: float, sigma_next: float) -> Tensor: ...


class Steps:
    """The walk of a sampler down `sigmas`: iterates over (i, sigma, sigma_next) in floats, and calls what was given to the sampler."""

    def __init__(
        self, sampler: str, denoiser: DenoiserCall, x: Tensor, sigmas: Sigmas, extra_args: ExtraArgs, callback: Callback | None
    ) -> None:
        """Raises RequestError for levels or an `x` that cannot be used, and levels outside the table of a model with discrete times."""
        if not isinstance(x, Tensor) or not x.is_floating_point() or x.ndim == 0:
            told = f"{x.dtype} of {tuple(x.shape)}" if isinstance(x, Tensor) else type(x).__name__
            raise RequestError(f"{sampler} was given {told} as x", where="x", fix="a tensor (b, …) of floats: noise × sigmas[0]")
        self.sampler, self.denoiser, self.extra_args, self.callback = sampler, denoiser, extra_args or {}, callback
        self.levels = read_levels(sigmas, sampler)
        check_denoiser(denoiser, self.levels, sampler)
        warn_of_scale(x, self.levels[0])

    def __len__(self) -> int:
        return len(self.levels) - 1

    def __iter__(self) -> Iterator[tuple[int, float, float]]:
        return ((i, *pair) for i, pair in enumerate(zip(self.levels[:-1], self.levels[1:], strict=True)))

    def denoise(self, x: Tensor, sigma: float) -> Tensor:
        """What the denoiser makes of x (b, …) at a noise level; sigma goes to it as (b,), in at least float32."""
        precise = x.dtype if x.dtype in (torch.float32, torch.float64) else torch.float32
        denoised = self.denoiser(x, torch.full((x.shape[0],), sigma, dtype=precise, device=x.device), **self.extra_args)
        if not isinstance(denoised, Tensor) or denoised.shape != x.shape:
            told = f"the shape {tuple(denoised.shape)}" if isinstance(denoised, Tensor) else f"a {type(denoised).__name__}"
            fix = f"denoiser(x, sigma) gives a tensor of x's shape {tuple(x.shape)}"
            raise RequestError(f"the denoiser gave {told}", where=self.sampler, fix=fix)
        return denoised if denoised.dtype == x.dtype else denoised.to(x.dtype)

    def tell(self, x: Tensor, i: int, sigma: float, sigma_hat: float, denoised: Tensor, **more: Any) -> None:
        """Give the callback its dict, the levels as tensors without dimensions, as k-diffusion does; nothing without a callback."""
        if self.callback is not None:
            levels = {"sigma": torch.tensor(sigma, dtype=torch.float64), "sigma_hat": torch.tensor(sigma_hat, dtype=torch.float64)}
            self.callback({"x": x, "i": i, **levels, "denoised": denoised, **more})


def seek(denoiser: object, name: str, kind: Any) -> Any:
    """The attribute `name` of a denoiser, or of one it wraps as `.denoiser`, where it is of `kind`; else None."""
    while denoiser is not None:
        found = getattr(denoiser, name, None)
        if isinstance(found, kind):
            return found
        denoiser = getattr(denoiser, "denoiser", None)
    return None


def check_denoiser(denoiser: object, levels: list[float], sampler: str) -> None:
    """Raises RequestError for levels that a denoiser cannot know: its `check_sigmas(levels)` says, or its table, rising levels `sigmas`."""
    check = seek(denoiser, "check_sigmas", Callable)
    if check is not None:
        check(levels)
    else:
        check_table(levels, seek(denoiser, "sigmas", Tensor), sampler)


def to_d(x: Tensor, sigma: float | Tensor, denoised: Tensor) -> Tensor:
    """dx/dσ of the probability-flow ODE, (x − denoised) / σ: Karras et al. (2022), equation 3 with s = 1; σ a number or (b,)."""
    return (x - denoised) / (append_dims(sigma, x.ndim) if isinstance(sigma, Tensor) else sigma)


def euler_step(x: Tensor, denoised: Tensor, sigma: float, sigma_next: float) -> Tensor:
    """x at `sigma_next`, were `denoised` the answer all the way: D + σ'/σ · (x − D), which is Euler's step along `to_d`.

    It is DPM-Solver++ of order 1 too, and one operation: the first of them after a network's takes as long as ten in a row.
    """
    return torch.lerp(denoised, x, sigma_next / sigma)


def log_ratio(sigma: float, sigma_next: float) -> float:
    """The step in λ = −ln σ, ln(σ / σ'); infinite into 0."""
    return math.log(sigma / sigma_next) if sigma_next > 0 else math.inf


def get_ancestral_step(sigma_from: float, sigma_to: float, eta: float = 1.0) -> tuple[float, float]:
    """(sigma_down, sigma_up): the level to step down to, and the deviation of the noise that leads back up to `sigma_to`.

    As in k-diffusion, the ancestral sampling of Ho et al. (2020) and, with 0 < `eta` < 1, of Song et al. (2020, DDIM, equation 16), in
    terms of σ.
    """
    if eta == 0 or sigma_to == 0:
        return sigma_to, 0.0
    sigma_up = min(sigma_to, eta * sigma_to / sigma_from * math.sqrt(max(sigma_from**2 - sigma_to**2, 0.0)))
    return math.sqrt(max(sigma_to**2 - sigma_up**2, 0.0)), sigma_up


def default_noise_sampler(x: Tensor) -> NoiseSampler:
    """Fresh normal numbers like `x` for every step, from torch's generator."""
    return lambda sigma, sigma_next: torch.randn_like(x)


def brownian_noise(x: Tensor, levels: list[float], given: NoiseSampler | None = None) -> NoiseSampler:
    """Increments of a Brownian path over σ, one for each row of `x`; seeds come from torch's generator when the first is asked for.

    `levels` are all that will be asked for. What is `given` is taken instead, and told of them if it is a path.
    """
    if given is not None:
        if isinstance(given, BrownianNoise):
            given.expect(levels)
        return given
    paths: list[NoiseSampler] = []

    def noise(sigma: float, sigma_next: float) -> Tensor:
        if not paths:
            paths.append(_brownian_paths(x, [each for each in levels if each > 0]))
        return paths[0](sigma, sigma_next)

    return noise


def _brownian_paths(x: Tensor, levels: list[float]) -> NoiseSampler:
    seeds = torch.randint(2**62, (x.shape[0],))
    noise = BrownianNoise(seeds, x.shape[1:], sigma_min=levels[-1], sigma_max=levels[0], device=x.device, dtype=x.dtype)
    noise.expect(levels)
    return noise


def add_noise(x: Tensor, noise_sampler: NoiseSampler, sigma: float, sigma_next: float, deviation: float) -> Tensor:
    """`x` with noise of this deviation, of the step from `sigma` to `sigma_next`; where it is 0, nothing is drawn."""
    return x.add(noise_sampler(sigma, sigma_next), alpha=deviation) if deviation else x

"""How likely samples are under a model: the density of the start they come from, and how much the flow from it thins out."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from trainwright.config.errors import RequestError
from trainwright.domains.diffusion.dopri5 import State, integrate
from trainwright.domains.diffusion.noise.keyed import row_keys, uniform_by_key
from trainwright.nn.dims import append_dims

EXACT_UP_TO = 16
"""Numbers in a row up to which the divergence is worked out whole: one gradient for each."""

PROBES = 4
FIRST_STEP = 10.0
"""The first step, in units of sigma_min; those after it follow from the errors."""


def log_likelihood(
    denoiser: Callable[..., Tensor],
    x: Tensor,
    sigma_min: float,
    sigma_max: float,
    extra_args: Mapping[str, Any] | None = None,
    atol: float = 1e-4,
    rtol: float = 1e-4,
    *,
    probes: int | None = None,
    sigma_data: float | None = None,
    mean: Tensor | float | None = None,
    seed: int = 0,
    first: int = 0,
) -> tuple[Tensor, dict[str, Any]]:
    """ln p (b,) in nats of samples x (b, …) by the probability flow from sigma_min to sigma_max, and facts (Song et al. 2021).

    It is of x as samples with noise sigma_min. The divergence is exact of rows up to 16 numbers and where `probes` is 0, or estimated by
    `probes` random vectors of signs, 4 by themselves (Hutchinson 1990), that follow from `seed` and a row's number, counted from `first`.
    The start is N(mean, σmax² + σ_d²): `mean` is D(0; σmax) where it is not given, and `sigma_data` that of the denoiser, or 0.

    Facts: "error" (b,), the standard error of the estimate in nats, 0 where exact and NaN for one probe; "fevals", how often the denoiser
    was asked; "latent", where the samples come from; "exact". Arguments up to `rtol` and the results are k-diffusion's. Raises RequestError
    for levels that are no range, x with NaN, or a denoiser without a gradient.
    """
    check_levels(sigma_min, sigma_max, x)
    given, size = dict(extra_args or {}), math.prod(x.shape[1:])
    probes = (0 if size <= EXACT_UP_TO else PROBES) if probes is None else probes
    with torch.inference_mode(False), torch.enable_grad():
        x = x.detach().clone()
        vectors = exact_vectors(x) if probes == 0 else random_signs(x, probes, seed, first)
        flow = Flow(denoiser, given, vectors, exact=probes == 0)
        counts = torch.zeros(len(x), max(probes, 1), dtype=torch.float64, device=x.device)
        found = integrate(flow.slope, (x, counts), sigma_min, sigma_max, FIRST_STEP * sigma_min, rtol, atol)
        latent, thinned = found.state
    with torch.no_grad():
        centre = denoiser(torch.zeros_like(x), x.new_full((len(x),), sigma_max), **given) if mean is None else mean
    deviation = math.hypot(sigma_max, sigma_data_of(denoiser) if sigma_data is None else sigma_data)
    start = normal_log_density(latent - centre, deviation)
    error = standard_error(thinned) if probes else torch.zeros_like(start)
    calls = found.calls + (mean is None)
    return (start + thinned.mean(1)).to(x.dtype), {"fevals": calls, "error": error.to(x.dtype), "exact": probes == 0, "latent": latent}


class Flow:
    """dx/dσ = (x − D(x; σ))/σ (Karras et al. 2022, equation 1 with 3), and its divergence along `vectors` (v, b, …)."""

    def __init__(self, denoiser: Callable[..., Tensor], given: Mapping[str, Any], vectors: Tensor, exact: bool) -> None:
        self.denoiser, self.given, self.vectors, self.exact = denoiser, given, vectors, exact

    def slope(self, time: Tensor, state: State) -> State:
        """The derivatives after σ of x, and of the logarithm of how much the flow thins out."""
        x, sigma = state[0].detach().requires_grad_(), time.to(state[0].dtype)
        denoised = self.denoiser(x, sigma, **self.given)
        if denoised.grad_fn is None:
            raise RequestError("the denoiser has no gradient", why="the likelihood needs one", fix="call it without torch.no_grad inside")
        speed = (x - denoised) / append_dims(sigma, x.ndim)
        last = len(self.vectors) - 1
        parts = torch.stack([self._along(speed, x, each, last=number == last) for number, each in enumerate(self.vectors)], dim=1)
        return speed.detach(), parts.sum(1, keepdim=True) if self.exact else parts

    def _along(self, speed: Tensor, x: Tensor, vector: Tensor, last: bool) -> Tensor:
        (gradient,) = torch.autograd.grad(speed, x, vector, retain_graph=not last)
        return (gradient * vector).flatten(1).sum(1, dtype=torch.float64)


def exact_vectors(x: Tensor) -> Tensor:
    """The unit vectors (n, b, …) of rows of n numbers."""
    size = math.prod(x.shape[1:])
    return torch.eye(size, dtype=x.dtype, device=x.device).view(size, 1, *x.shape[1:]).expand(size, *x.shape)


def random_signs(x: Tensor, probes: int, seed: int, first: int) -> Tensor:
    """Vectors of −1 and 1 (probes, b, …), those of rows number `first` and on of a seed."""
    if probes < 0:
        raise RequestError(f"{probes} probes", fix="probes=4, or probes=0 for an exact divergence")
    keys = torch.stack([row_keys(seed, "likelihood", each, rows=range(first, first + len(x))) for each in range(probes)])
    signs = (uniform_by_key(keys.flatten(), (math.prod(x.shape[1:]),), dtype=torch.float32) < 0.5).to(x) * 2 - 1
    return signs.view(probes, *x.shape)


def standard_error(estimates: Tensor) -> Tensor:
    """That of the mean of independent estimates (b, k), as (b,); NaN of a single one."""
    count = estimates.shape[1]
    return estimates.std(1) / math.sqrt(count) if count > 1 else torch.full_like(estimates[:, 0], math.nan)


def normal_log_density(x: Tensor, deviation: float) -> Tensor:
    """ln of the density (b,), float64, of N(0, deviation²) at rows x (b, …)."""
    rows = x.flatten(1).double()
    return -(rows.square().sum(1) / deviation**2 + rows.shape[1] * math.log(2 * math.pi * deviation**2)) / 2


def sigma_data_of(denoiser: Any) -> float:
    """The `sigma_data` of a denoiser, or of what it wraps; 0 where nobody says."""
    while denoiser is not None and not hasattr(denoiser, "sigma_data"):
        denoiser = getattr(denoiser, "denoiser", None)
    return 0.0 if denoiser is None else float(denoiser.sigma_data)


def check_levels(sigma_min: float, sigma_max: float, x: Tensor) -> None:
    """Raises RequestError where there is no way from one level to the other, or x is no number."""
    if not 0 < sigma_min < sigma_max < math.inf:
        what = f"a likelihood from sigma_min {sigma_min:g} to sigma_max {sigma_max:g}"
        raise RequestError(what, why="it needs 0 < sigma_min < sigma_max", fix="the levels of training: 0.002 and 80")
    broken = (~x.flatten(1).isfinite()).any(1) if len(x) else x.new_zeros(0)
    if bool(broken.any()):
        raise RequestError(f"sample {int(broken.nonzero()[0])} holds NaN or infinity", fix="leave it out")

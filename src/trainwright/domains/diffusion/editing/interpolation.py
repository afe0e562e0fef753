"""The way from one sample to another through the noise that they come from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from trainwright.config.errors import RequestError
from trainwright.domains.diffusion.dopri5 import State, integrate
from trainwright.domains.diffusion.editing.from_sample import Sampler, check_like
from trainwright.domains.diffusion.likelihood import FIRST_STEP, check_levels
from trainwright.nn.dims import append_dims

ALMOST_ALONG = 1e-4
"""The sine of an angle below which two directions are taken for one."""


def slerp(first: Tensor, second: Tensor, share: float | Tensor) -> Tensor:
    """Rows (b, …) between two of noise, along the great circle and with a norm between theirs (Shoemake 1985): a line is too short.

    `share` is a number, or one a row (b,): 0 is `first` and 1 is `second`. Rows along one line go straight.
    """
    check_like(second, first, "second")
    share = torch.as_tensor(share, dtype=first.dtype, device=first.device).expand(len(first))
    norms = [torch.linalg.vector_norm(each.flatten(1), dim=1) for each in (first, second)]
    product = norms[0] * norms[1]
    angle = ((first * second).flatten(1).sum(1) / torch.where(product == 0, 1.0, product)).clamp(-1, 1).acos()
    straight = (angle.sin() < ALMOST_ALONG) | (product == 0)
    sine = torch.where(straight, 1.0, angle.sin())
    norm = torch.lerp(norms[0], norms[1], share)
    weights = [((1 - share) * angle).sin() / sine * norm / norms[0], (share * angle).sin() / sine * norm / norms[1]]
    along = [torch.where(straight, plain, each) for plain, each in zip((1 - share, share), weights, strict=True)]
    return append_dims(along[0], first.ndim) * first + append_dims(along[1], first.ndim) * second


def encode(
    denoiser: Callable[..., Tensor],
    x: Tensor,
    sigma_min: float,
    sigma_max: float,
    extra_args: Mapping[str, Any] | None = None,
    atol: float = 1e-4,
    rtol: float = 1e-4,
) -> Tensor:
    """Where samples x (b, …) come from at sigma_max, by the probability flow from sigma_min up; a step errs below atol + rtol·|value|.

    A sampler without noise of its own brings them back. Raises RequestError for levels that are no range, and x with NaN.
    """
    check_levels(sigma_min, sigma_max, x)
    given = dict(extra_args or {})

    def slope(time: Tensor, state: State) -> State:
        sigma = time.to(x.dtype)
        return (state[0] - denoiser(state[0], sigma, **given)) / append_dims(sigma, x.ndim), torch.zeros_like(state[1])

    with torch.no_grad():
        return integrate(slope, (x, x.new_zeros(len(x), 1)), sigma_min, sigma_max, FIRST_STEP * sigma_min, rtol, atol).state[0]


def interpolate(
    sampler: Sampler,
    denoiser: Callable[..., Tensor],
    first: Tensor,
    second: Tensor,
    shares: Sequence[float],
    sigmas: Tensor | Sequence[float],
    *,
    extra_args: Mapping[str, Any] | None = None,
    **options: Any,
) -> Tensor:
    """Samples (len(shares), …) between two (…), one at each of `shares` from 0 to 1: both are encoded, and what is between them sampled.

    `sigmas` are the levels of the way back, those of a schedule; `extra_args` are told of every sample, as one row or one thing for all.
    A sampler without noise of its own is needed for the ends to be the samples themselves.
    """
    if not shares:
        raise RequestError("an interpolation at no share", where="shares", fix="shares=[0, 0.25, 0.5, 0.75, 1]")
    levels = torch.as_tensor(sigmas)
    lowest, given = float(levels[levels > 0].min()), dict(extra_args or {})
    check_like(second, first, "second")
    ends = encode(denoiser, torch.stack([first, second]), lowest, float(levels[0]), each_row(given, 2))
    rows = (len(shares), *first.shape)
    between = slerp(ends[:1].expand(rows), ends[1:].expand(rows), torch.tensor(list(shares), dtype=first.dtype))
    return sampler(denoiser, between, levels, extra_args=each_row(given, len(shares)), **options)


def each_row(given: Mapping[str, Any], count: int) -> dict[str, Any]:
    """Arguments of one row as those of `count` rows."""
    return {name: each.expand(count, *each.shape[1:]) if isinstance(each, Tensor) and each.ndim else each for name, each in given.items()}

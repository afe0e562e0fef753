"""Parts of samples made anew, to fit the parts that are kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from trainwright.config.errors import RequestError
from trainwright.domains.diffusion.editing.from_sample import Sampler, check_like, sigmas_from


class InpaintingDenoiser(nn.Module):
    """A denoiser that knows the clean sample where `mask` is 0: it gives `clean` there, and what the denoiser says where it is 1.

    The flow of the part that is kept is then a straight line from its noise to `clean`, so that at every level the denoiser sees that part
    with noise of the level, as in Song et al. 2021 (appendix I.2) and RePaint (Lugmayr et al. 2022), with any sampler. Restart sampling
    does what the resampling of RePaint is for. Masks between 0 and 1 blend.
    """

    def __init__(self, denoiser: Callable[..., Tensor], clean: Tensor, mask: Tensor) -> None:
        """`mask` goes with `clean` (b, …) by the rules of broadcasting; RequestError where it does not, or says nothing."""
        super().__init__()
        self.denoiser, self.clean = denoiser, clean
        self.mask = checked_mask(mask, clean)

    def forward(self, x: Tensor, sigma: Tensor, **extra_args: Any) -> Tensor:
        """The clean sample (b, …)."""
        return torch.lerp(self.clean.to(x), self.denoiser(x, sigma, **extra_args), self.mask.to(x))


def inpaint(
    sampler: Sampler,
    denoiser: Callable[..., Tensor],
    clean: Tensor,
    mask: Tensor,
    noise: Tensor,
    sigmas: Tensor | Sequence[float],
    *,
    sigma: float | None = None,
    extra_args: Mapping[str, Any] | None = None,
    **options: Any,
) -> Tensor:
    """`clean` (b, …) with what `mask` marks by 1 made anew. Where it is 0 it stays, exactly where the schedule ends in 0.

    With `sigma`, a level within the schedule, the new part starts from the old one with so much noise on it, else from noise alone.
    """
    check_like(noise, clean, "noise")
    known = InpaintingDenoiser(denoiser, clean, mask)
    levels = torch.as_tensor(sigmas) if sigma is None else sigmas_from(sigmas, sigma)
    start = clean * (1 - known.mask.to(clean)) if sigma is None else clean
    made = sampler(known, start + noise * float(levels[0]), levels, extra_args=dict(extra_args or {}), **options)
    return torch.where(known.mask == 0, clean, made) if float(levels[-1]) == 0 else made  # the last step rounds


def checked_mask(mask: Tensor, clean: Tensor) -> Tensor:
    """The mask with as many numbers as the samples have, from 0 to 1."""
    numbers = mask.to(device=clean.device, dtype=clean.dtype)
    try:
        whole = numbers.broadcast_to(clean.shape)
    except RuntimeError as error:
        why = f"samples are {tuple(clean.shape)}"
        raise RequestError(
            f"a mask of {tuple(mask.shape)}", where="mask", why=why, fix="(h, w), (b, 1, h, w), or a shape like theirs"
        ) from error
    if not bool(((numbers >= 0) & (numbers <= 1)).all()):
        raise RequestError("a mask with values beyond 0 and 1", where="mask", why="1 is made anew and 0 is kept", fix="divide bytes by 255")
    if not bool((numbers > 0).any()):
        raise RequestError(
            "a mask of zeros", where="mask", why="nothing would be made anew", fix="1 where something is to be made: 1 - mask"
        )
    return whole

"""DDIM."""

from __future__ import annotations

from torch import Tensor

from trainwright.domains.diffusion.samplers.euler_ancestral import sample_euler_ancestral
from trainwright.domains.diffusion.samplers.steps import Callback, DenoiserCall, ExtraArgs, NoiseSampler, Sigmas


def sample_ddim(
    denoiser: DenoiserCall,
    x: Tensor,
    sigmas: Sigmas,
    extra_args: ExtraArgs = None,
    callback: Callback | None = None,
    disable: bool | None = None,
    *,
    eta: float = 0.0,
    s_noise: float = 1.0,
    noise_sampler: NoiseSampler | None = None,
) -> Tensor:
    """Song et al. (2020, DDIM), equation 12, N calls. In terms of σ it is `euler_ancestral`: without noise unless `eta` is above 0."""
    given = {"eta": eta, "s_noise": s_noise}
    return sample_euler_ancestral(denoiser, x, sigmas, extra_args, callback, disable, **given, noise_sampler=noise_sampler)

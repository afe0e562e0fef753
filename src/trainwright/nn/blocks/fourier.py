"""Numbers as sines and cosines: random frequencies, doubled ones, and those of positions and steps."""

from __future__ import annotations

import math
from contextlib import AbstractContextManager, nullcontext

import torch
from jaxtyping import Float, Real
from torch import Tensor, nn

from trainwright.nn.blocks.fourier_options import FourierFeaturesOptions, FrequencyEncodingOptions, SinusoidalEmbeddingOptions
from trainwright.nn.blocks.given import checked_by


class FourierFeatures(nn.Module):
    """`[… f]` → `[… w]`: `[cos(2π B x), sin(2π B x)]`, B drawn from N(0, scale²) (Tancik et al. 2020, section 6)."""

    weight: Tensor

    @checked_by(FourierFeaturesOptions)
    def __init__(self, features: int, width: int, scale: float = 1.0, learned: bool = False) -> None:
        super().__init__()
        weight = torch.empty(width // 2, features).normal_(0.0, scale)
        if learned:
            self.weight = nn.Parameter(weight)
        else:
            self.register_buffer("weight", weight)

    def forward(self, x: Float[Tensor, "*rows f"]) -> Float[Tensor, "*rows w"]:
        kind = torch.promote_types(x.dtype, torch.float32)
        with exact(x.device.type):  # in half precision an angle of a few turns is off by a large part of one
            angle = 2 * math.pi * nn.functional.linear(x.to(kind), self.weight.to(kind))
        return torch.cat([angle.cos(), angle.sin()], dim=-1).to(x.dtype)


def exact(device_type: str) -> AbstractContextManager[None]:
    """Without autocast, on devices that have it; the meta device has none, and refuses even to have it off."""
    return torch.autocast(device_type, enabled=False) if torch.amp.is_autocast_available(device_type) else nullcontext()


class FrequencyEncoding(nn.Module):
    """`[… f]` → `[… f · (1 + 2 · frequencies)]`: x, sin(s x), cos(s x), sin(2 s x), cos(2 s x), … (Mildenhall et al. 2020, eq. 4)."""

    @checked_by(FrequencyEncodingOptions)
    def __init__(self, frequencies: int = 10, include_input: bool = True, scale: float = 1.0) -> None:
        super().__init__()
        self.frequencies, self.include_input, self.scale = frequencies, include_input, scale

    def forward(self, x: Float[Tensor, "*rows f"]) -> Float[Tensor, "*rows w"]:
        each = self.scale * 2.0 ** torch.arange(self.frequencies, device=x.device, dtype=x.dtype)
        angle = x.unsqueeze(-2) * each.unsqueeze(-1)  # … frequencies, f
        waves = torch.stack([angle.sin(), angle.cos()], dim=-2).flatten(-3)
        return torch.cat([x, waves], dim=-1) if self.include_input else waves

    def extra_repr(self) -> str:
        """The frequencies, as they are printed."""
        return f"frequencies={self.frequencies}, include_input={self.include_input}, scale={self.scale:g}"


class SinusoidalEmbedding(nn.Module):
    """`[…]` → `[… w]`: cosines, then sines of `t · max_period^(−2i / w)` for i = 0 … w/2 − 1 (Nichol & Dhariwal 2021), in single precision.

    The same numbers as diffusers' `get_timestep_embedding` with `flip_sin_to_cos` and a shift of 0.
    """

    @checked_by(SinusoidalEmbeddingOptions)
    def __init__(self, width: int, max_period: float = 10000.0) -> None:
        super().__init__()
        self.width, self.max_period = width, max_period

    def forward(self, time: Real[Tensor, "*rows"]) -> Float[Tensor, "*rows w"]:
        half = self.width // 2
        kind = torch.promote_types(time.dtype, torch.float32)  # in half precision steps beyond 2048 would be the same
        place = torch.arange(half, device=time.device, dtype=kind) / half
        angle = time.unsqueeze(-1) * torch.exp(-math.log(self.max_period) * place)
        return torch.cat([angle.cos(), angle.sin()], dim=-1)

    def extra_repr(self) -> str:
        """Width and longest period, as they are printed."""
        return f"{self.width}, max_period={self.max_period:g}"

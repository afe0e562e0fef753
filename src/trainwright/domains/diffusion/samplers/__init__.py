"""Samplers: how a denoiser makes samples of noise, a step at a time. The table imports no torch."""

from __future__ import annotations

from trainwright.domains.diffusion.samplers.names import ALIASES, Joined, find_name, joined_name, spread_joined
from trainwright.domains.diffusion.samplers.table import PARTS, SamplerPart

__all__ = ["ALIASES", "PARTS", "Joined", "SamplerPart", "find_name", "joined_name", "spread_joined"]

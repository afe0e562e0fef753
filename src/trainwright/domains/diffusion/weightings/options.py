"""The options of weights of the loss. Imports no torch."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from trainwright.config.model import PartConfig


class PlainOptions(PartConfig):
    """1 on the error of the network's own output: of the noise for `epsilon`, of the velocity for `flow`; that of EDM for `edm` and `v`."""

    type: str = "auto"


class KarrasOptions(PartConfig):
    """(σ² + σ_data²) / (σ·σ_data)² on the error of the clean sample (Karras et al. 2022, table 1)."""

    type: str = "karras"


class SNROptions(PartConfig):
    """1/σ² on the error of the clean sample, which is 1 on that of the noise (Ho et al. 2020, L_simple)."""

    type: str = "snr"


class SoftMinSNROptions(PartConfig):
    """1 / (σ² + σ_data²) on the error of the clean sample (Crowson et al. 2024, section 3.2)."""

    type: str = "soft_min_snr"


class MinSNROptions(PartConfig):
    """min(1/σ², gamma) on the error of the clean sample (Hang et al. 2023)."""

    type: str = "min_snr"
    gamma: float = Field(default=5.0, gt=0)
    """The largest weight."""


class DenoisedOptions(PartConfig):
    """1 on the error of the clean sample."""

    type: str = "denoised"


class VelocityOptions(PartConfig):
    """((1 + σ) / σ)² on the error of the clean sample, which is 1 on that of the velocity (Lipman et al. 2023)."""

    type: str = "velocity"


class CosmapOptions(PartConfig):
    """2 / (π·(1 − 2t + 2t²)) on the error of the velocity, t = σ / (1 + σ) (Esser et al. 2024, equation 21)."""

    type: str = "cosmap"


class UncertaintyOptions(PartConfig):
    """weight·error / e^u + u, with u learned as a function of σ (Karras et al. 2024, equation 15; Kendall et al. 2018)."""

    type: str = "uncertainty"
    of: Literal["karras", "snr", "soft_min_snr", "denoised", "velocity", "cosmap"] = "karras"
    """The weight that is divided."""
    channels: int = Field(default=128, ge=1)
    """Waves of ¼·ln σ that u is a linear function of."""

"""Options of the schedules of noise levels. Their ends are those of the model."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from trainwright.config.model import PartConfig


class KarrasOptions(PartConfig):
    """Evenly apart in σ^(1/rho), after Karras et al. (2022), equation 5."""

    type: str = "karras"
    rho: float = Field(default=7.0, gt=0)
    """The larger, the more steps at low noise; 7 is the paper's."""


class ExponentialOptions(PartConfig):
    """Evenly apart in ln σ."""

    type: str = "exponential"


class PolyexponentialOptions(PartConfig):
    """ln σ follows a ramp to the power rho, as in k-diffusion."""

    type: str = "polyexponential"
    rho: float = Field(default=1.0, gt=0)
    """1 is `exponential`; above 1 more steps are at low noise."""


class LinearOptions(PartConfig):
    """Evenly apart in σ."""

    type: str = "linear"


class BetaOptions(PartConfig):
    """Even quantiles of a Beta distribution between the ends, after Lee et al. (2024)."""

    type: str = "beta"
    alpha: float = Field(default=0.6, gt=0)
    """The smaller, the more steps at low noise."""
    beta: float = Field(default=0.6, gt=0)
    """The smaller, the more steps at high noise."""


class VpOptions(PartConfig):
    """Even times of the variance-preserving process of Song et al. (2021); its ends are its own, not those of the model."""

    type: str = "vp"
    beta_d: float | None = Field(default=None, ge=0)
    """How much the rate of noise grows; without it, what ends at the model's noise levels. 19.9 is the paper's, up to σ 152."""
    beta_min: float | None = Field(default=None, ge=0)
    """The rate of noise at time 0; without it, what ends at the model's noise levels. 0.1 is the paper's."""
    eps_s: float = Field(default=1e-3, gt=0, lt=1)
    """The last time above 0."""


class AlignYourStepsOptions(PartConfig):
    """Levels of a table, ln σ linear in between, after Sabour et al. (2024)."""

    type: str = "align_your_steps"
    levels: str | list[float] = "sd15"
    """`sd15`, `sdxl`, `svd`, or falling numbers above 0 of your own."""


class FlowOptions(PartConfig):
    """Even times of flow matching from the largest noise to none."""

    type: str = "flow"
    shift: float = Field(default=1.0, gt=0)
    """Above 1, more steps are at high noise (3: Stable Diffusion 3); it multiplies σ, Esser et al. (2024)."""


class UniformOptions(PartConfig):
    """Even times of a model with discrete times."""

    type: str = "uniform"
    spacing: Literal["linspace", "trailing", "leading"] = "linspace"
    """Both ends; from the noisiest on, without the last; whole steps from time 0 on, which never start at pure noise."""


class SimpleOptions(PartConfig):
    """Every so-manieth level of a model with discrete times, from the noisiest on."""

    type: str = "simple"

"""The options of densities of σ. Imports no torch."""

from __future__ import annotations

from pydantic import Field, model_validator

from trainwright.config.errors import ConfigError
from trainwright.config.model import PartConfig, as_refusal
from trainwright.domains.diffusion.denoisers.table_options import TableOptions


class LogNormalOptions(PartConfig):
    """ln σ is normal (Karras et al. 2022, table 1)."""

    type: str = "log_normal"
    loc: float | None = None
    """Mean of ln σ; `null` is −0.8 + ln(2·σ_data), the −0.8 of EDM2 moved with the data. EDM has −1.2, EDM2 −0.4 for latents."""
    scale: float = Field(default=1.2, gt=0)
    """Standard deviation of ln σ; 1.2 in EDM, 1 in EDM2."""


class AutoOptions(LogNormalOptions):
    """The density of EDM, or all levels of the table of a discrete denoiser alike."""

    type: str = "auto"


class LogitNormalOptions(LogNormalOptions):
    """The logit of the time of flow matching is normal (Esser et al. 2024, equation 19): it is ln σ, as σ = t / (1 − t)."""

    type: str = "logit_normal"
    loc: float | None = 0.0
    """Mean of ln σ; `null` is −0.8 + ln(2·σ_data)."""
    scale: float = Field(default=1.0, gt=0)
    """Standard deviation of ln σ."""


class SplitLogNormalOptions(PartConfig):
    """Two halves of normal densities of ln σ that meet at the mode, each with a share like its spread."""

    type: str = "split_log_normal"
    loc: float | None = None
    """The mode of ln σ; `null` is −0.8 + ln(2·σ_data)."""
    scale_1: float = Field(default=1.2, gt=0)
    """Spread of ln σ below the mode."""
    scale_2: float = Field(default=1.2, gt=0)
    """Spread of ln σ above the mode."""


class EndsOptions(PartConfig):
    """A density that is cut off at two ends."""

    type: str
    min_value: float = Field(default=0.0, ge=0)
    """The smallest σ; 0 cuts nothing off."""
    max_value: float | None = Field(default=None, gt=0)
    """The largest σ; `null` cuts nothing off."""

    @model_validator(mode="after")
    def _ends_are_in_order(self) -> EndsOptions:
        if self.max_value is not None and self.min_value >= self.max_value:
            what = f"min_value {self.min_value:g} is not below max_value {self.max_value:g}"
            raise as_refusal(ConfigError(what, why="nothing lies between them", fix="swap them, or widen the range"))
        return self


class LogLogisticOptions(EndsOptions):
    """ln σ is logistic: like a normal one with heavier tails."""

    type: str = "log_logistic"
    loc: float | None = None
    """Mean of ln σ; `null` is ln σ_data."""
    scale: float = Field(default=0.5, gt=0)
    """Spread of ln σ; its standard deviation is 1.81 times this."""


class LogUniformOptions(EndsOptions):
    """Every factor between two levels as often."""

    type: str = "log_uniform"
    min_value: float = Field(default=0.002, gt=0)
    """The smallest σ."""
    max_value: float = Field(default=80.0, gt=0)
    """The largest σ."""


class VDiffusionOptions(EndsOptions):
    """Uniform angles between signal and noise (Salimans & Ho 2022)."""

    type: str = "v_diffusion"
    min_value: float = Field(default=1e-3, ge=0)
    """The smallest σ; 0 cuts nothing off."""
    max_value: float | None = Field(default=1e3, gt=0)
    """The largest σ; `null` cuts nothing off."""
    sigma_data: float | None = Field(default=None, gt=0)
    """σ at which signal and noise are equally strong; `null` is that of the data."""


class CosineInterpolatedOptions(EndsOptions):
    """Cosine schedule shifted from one noise resolution to another as the noise grows (Hoogeboom et al. 2023)."""

    type: str = "cosine_interpolated"
    image_d: int | None = Field(default=None, ge=1)
    """Side of the pictures in pixels; `null` is the longer side of those in the data."""
    noise_d_low: int = Field(default=32, ge=1)
    """Noise resolution at low noise, in pixels."""
    noise_d_high: int | None = Field(default=None, ge=1)
    """Noise resolution at high noise, in pixels; `null` is `image_d`."""
    min_value: float = Field(default=1e-3, gt=0)
    """The smallest σ before the shift."""
    max_value: float = Field(default=1e3, gt=0)
    """The largest σ before the shift."""
    sigma_data: float | None = Field(default=None, gt=0)
    """Standard deviation of the data; `null` is what was measured."""


class UniformTimeOptions(PartConfig):
    """Uniform times of flow matching, t' = s·t / (1 + (s − 1)·t) and σ = t' / (1 − t')."""

    type: str = "uniform_time"
    shift: float = Field(default=1.0, gt=0)
    """s; above 1 for more of the high noise that large pictures need (Esser et al. 2024, equation 23)."""
    epsilon: float = Field(default=1e-3, gt=0, lt=0.5)
    """Times are between this and one less this, before the shift."""


class ModeOptions(PartConfig):
    """Heavy-tailed times with a mode, t = 1 − u − s·(cos²(πu/2) − 1 + u) (Esser et al. 2024, equation 20)."""

    type: str = "mode"
    scale: float = Field(default=1.29, ge=-1, le=1.7519)
    """s; above 0 favours the middle, below 0 the ends. Outside −1 to 2 / (π − 2) the map would turn back."""
    epsilon: float = Field(default=1e-3, gt=0, lt=0.5)
    """Times are between this and one less this."""


class DiscreteOptions(TableOptions):
    """All levels of a discrete table alike."""

    type: str = "discrete"

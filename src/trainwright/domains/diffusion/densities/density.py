"""Densities of σ made from options: each has `quantile(u)`, from shares in (0, 1) to levels of noise, all in float64."""

from __future__ import annotations

import math

from jaxtyping import Float
from torch import Tensor

from trainwright.config.errors import ConfigError
from trainwright.domains.diffusion.denoisers.tables import table_sigmas
from trainwright.domains.diffusion.densities import quantiles
from trainwright.domains.diffusion.densities.options import (
    CosineInterpolatedOptions,
    DiscreteOptions,
    EndsOptions,
    LogLogisticOptions,
    LogNormalOptions,
    LogUniformOptions,
    ModeOptions,
    SplitLogNormalOptions,
    UniformTimeOptions,
    VDiffusionOptions,
)

EDM_LOC, EDM_SIGMA_DATA = -0.8, 0.5
"""Mean of ln σ in EDM2, and the standard deviation of the data that it is for (Karras et al. 2024, table 6, pixels).

EDM took −1.2: fewer rows then have so much noise that their class is undecided, and digits by class are worse.
"""


class Density:
    """A density of σ. `sigma_data` is the standard deviation of the data, `size` the longer side of its pictures in pixels, 0 unknown."""

    def __init__(self, sigma_data: float = EDM_SIGMA_DATA, size: int = 0) -> None:
        if not (sigma_data > 0 and math.isfinite(sigma_data)):
            raise ConfigError(f"sigma_data is {sigma_data}", why="it is the standard deviation of the data", fix="give a number above 0")
        self.sigma_data, self.size = sigma_data, size

    def quantile(self, u: Float[Tensor, "*b"]) -> Float[Tensor, "*b"]:
        """Levels of noise `(…)` of shares `(…)` in (0, 1), float64; uniform shares give levels of this density."""
        raise NotImplementedError

    @property
    def edm_loc(self) -> float:
        """The mean of ln σ of EDM2, moved with the data."""
        return EDM_LOC + math.log(self.sigma_data / EDM_SIGMA_DATA)


class LogNormal(Density):
    """ln σ normal."""

    def __init__(self, options: LogNormalOptions, sigma_data: float = EDM_SIGMA_DATA, size: int = 0) -> None:
        super().__init__(sigma_data, size)
        self.loc, self.scale = self.edm_loc if options.loc is None else options.loc, options.scale

    def quantile(self, u: Float[Tensor, "*b"]) -> Float[Tensor, "*b"]:
        return quantiles.log_normal(u, self.loc, self.scale)


class SplitLogNormal(Density):
    """ln σ normal with one spread below the mode and another above."""

    def __init__(self, options: SplitLogNormalOptions, sigma_data: float = EDM_SIGMA_DATA, size: int = 0) -> None:
        super().__init__(sigma_data, size)
        self.loc = self.edm_loc if options.loc is None else options.loc
        self.scale_1, self.scale_2 = options.scale_1, options.scale_2

    def quantile(self, u: Float[Tensor, "*b"]) -> Float[Tensor, "*b"]:
        return quantiles.split_log_normal(u, self.loc, self.scale_1, self.scale_2)


class _Between(Density):
    """A density between two ends."""

    def __init__(self, options: EndsOptions, sigma_data: float, size: int) -> None:
        super().__init__(sigma_data, size)
        self.min_value = options.min_value
        self.max_value = math.inf if options.max_value is None else options.max_value


class LogLogistic(_Between):
    """ln σ logistic between two ends."""

    def __init__(self, options: LogLogisticOptions, sigma_data: float = EDM_SIGMA_DATA, size: int = 0) -> None:
        super().__init__(options, sigma_data, size)
        self.loc, self.scale = math.log(sigma_data) if options.loc is None else options.loc, options.scale

    def quantile(self, u: Float[Tensor, "*b"]) -> Float[Tensor, "*b"]:
        return quantiles.log_logistic(u, self.loc, self.scale, self.min_value, self.max_value)


class LogUniform(_Between):
    """ln σ uniform between two ends."""

    def __init__(self, options: LogUniformOptions, sigma_data: float = EDM_SIGMA_DATA, size: int = 0) -> None:
        super().__init__(options, sigma_data, size)

    def quantile(self, u: Float[Tensor, "*b"]) -> Float[Tensor, "*b"]:
        return quantiles.log_uniform(u, self.min_value, self.max_value)


class VDiffusion(_Between):
    """arctan(σ / σ_data) uniform between two ends."""

    def __init__(self, options: VDiffusionOptions, sigma_data: float = EDM_SIGMA_DATA, size: int = 0) -> None:
        super().__init__(options, options.sigma_data or sigma_data, size)

    def quantile(self, u: Float[Tensor, "*b"]) -> Float[Tensor, "*b"]:
        return quantiles.v_diffusion(u, self.sigma_data, self.min_value, self.max_value)


class CosineInterpolated(_Between):
    """Cosine schedules of two noise resolutions."""

    def __init__(self, options: CosineInterpolatedOptions, sigma_data: float = EDM_SIGMA_DATA, size: int = 0) -> None:
        super().__init__(options, options.sigma_data or sigma_data, size)
        self.image_d = options.image_d or size
        if not self.image_d:
            why = "the density needs the side of the pictures, and these data have none"
            raise ConfigError("cosine_interpolated has no image_d", why=why, fix="give image_d; or choose log_normal")
        self.noise_d_low, self.noise_d_high = options.noise_d_low, options.noise_d_high or self.image_d

    def quantile(self, u: Float[Tensor, "*b"]) -> Float[Tensor, "*b"]:
        ends = (self.min_value, self.max_value)
        return quantiles.cosine_interpolated(u, self.image_d, self.noise_d_low, self.noise_d_high, self.sigma_data, *ends)


class UniformTime(Density):
    """Times of flow matching uniform."""

    def __init__(self, options: UniformTimeOptions, sigma_data: float = EDM_SIGMA_DATA, size: int = 0) -> None:
        super().__init__(sigma_data, size)
        self.shift, self.epsilon = options.shift, options.epsilon

    def quantile(self, u: Float[Tensor, "*b"]) -> Float[Tensor, "*b"]:
        return quantiles.uniform_time(u, self.shift, self.epsilon)


class Mode(Density):
    """Times of flow matching with a mode."""

    def __init__(self, options: ModeOptions, sigma_data: float = EDM_SIGMA_DATA, size: int = 0) -> None:
        super().__init__(sigma_data, size)
        self.scale, self.epsilon = options.scale, options.epsilon

    def quantile(self, u: Float[Tensor, "*b"]) -> Float[Tensor, "*b"]:
        return quantiles.mode(u, self.scale, self.epsilon)


class OfTable(Density):
    """All of some levels alike."""

    def __init__(self, sigmas: Float[Tensor, " t"], sigma_data: float = EDM_SIGMA_DATA, size: int = 0) -> None:
        super().__init__(sigma_data, size)
        self.sigmas = sigmas

    def quantile(self, u: Float[Tensor, "*b"]) -> Float[Tensor, "*b"]:
        return quantiles.discrete(u, self.sigmas)


class Discrete(OfTable):
    """All levels of a table alike."""

    def __init__(self, options: DiscreteOptions, sigma_data: float = EDM_SIGMA_DATA, size: int = 0) -> None:
        super().__init__(table_sigmas(options), sigma_data, size)

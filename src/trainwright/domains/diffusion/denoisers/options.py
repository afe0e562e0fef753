"""The options of denoisers. Imports no torch."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from trainwright.config.errors import ConfigError
from trainwright.config.model import PartConfig, as_refusal
from trainwright.domains.diffusion.denoisers.table_options import TableOptions


class DenoiserOptions(PartConfig):
    """What all denoisers have."""

    type: str
    scales: float = Field(default=1.0, ge=1)
    """Octaves of spatial frequency that the loss counts, long waves more than short ones; 1 counts all alike, without a transform."""


class EDMOptions(DenoiserOptions):
    """Scales that keep what the network sees and gives at unit variance (Karras et al. 2022)."""

    type: str = "edm"
    learned_variance: bool = False
    """The network also says how wrong it expects to be at a row, and is trained by its likelihood; `weighting` has no effect then."""


class VOptions(DenoiserOptions):
    """The network predicts v = α·noise − σ·clean of unit data (Salimans & Ho 2022)."""

    type: str = "v"


class EpsilonOptions(DenoiserOptions):
    """The network predicts the noise (Ho et al. 2020)."""

    type: str = "epsilon"


class X0Options(DenoiserOptions):
    """The network predicts the clean sample."""

    type: str = "x0"


class FlowOptions(DenoiserOptions):
    """The network predicts the velocity noise − clean (rectified flow: Liu et al. 2023; flow matching: Lipman et al. 2023)."""

    type: str = "flow"


class DiscreteOptions(TableOptions, DenoiserOptions):
    """A network trained at the levels of a table, which is told a place in the table."""

    type: str = "discrete"
    prediction_type: Literal["epsilon", "v_prediction", "sample"] = "epsilon"
    """What the network predicts, by the names of diffusers."""
    quantize: bool = False
    """Take the nearest level of the table; otherwise places between levels are told as fractions."""
    learned_sigmas: bool = False
    """The network gives twice the channels, of which the second half is a variance and is left out."""

    @model_validator(mode="after")
    def _noise_is_not_asked_of_pure_noise(self) -> DiscreteOptions:
        if self.rescale_betas_zero_snr and self.prediction_type == "epsilon":
            why = "the last level is noise alone, and predicting it says nothing of the clean sample"
            fix = "prediction_type: v_prediction or sample"
            raise as_refusal(ConfigError("rescale_betas_zero_snr cannot go with prediction_type epsilon", why=why, fix=fix))
        return self

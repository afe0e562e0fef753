"""What `system: diffusion` is told. Imports no torch."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from trainwright.config.choice import choice
from trainwright.config.errors import ConfigError
from trainwright.config.model import PartConfig, as_refusal
from trainwright.domains.diffusion.augment.options import Augment
from trainwright.domains.diffusion.samplers import spread_joined
from trainwright.systems.config import as_list
from trainwright.weights.options import StartingWeights

Positive = Annotated[float, Field(gt=0)]


class DiffusionOptions(PartConfig):
    """New pictures, signals or vectors, as those of a column are, made of noise: diffusion (Karras et al. 2022) and its relatives."""

    takes_columns: ClassVar[bool] = True
    other_words: ClassVar[dict[str, str]] = {
        "backbone": "model",
        "network": "model",
        "target": "of",
        "targets": "of",
        "loss": "weighting",
        "conditions": "condition",
        "cond_dropout": "condition_dropout",
    }

    type: str = "diffusion"
    of: Annotated[list[str], BeforeValidator(as_list, json_schema_input_type=list[str] | str)] = []
    """What is made: a column of pictures, recordings, series, arrays or vectors, or several of numbers, which are one vector; default: the
    first of these that the data have."""
    condition: Annotated[list[str], BeforeValidator(as_list, json_schema_input_type=list[str] | str)] | None = None
    """Columns that say which one is made, such as its class; default: the target that the data know of themselves; `[]` for none."""
    columns: dict[str, choice("feature")] = {}  # type: ignore[valid-type]
    """What is known of single columns: `picture: {size: 32}`."""
    model: choice("backbone") = Field(default="auto", validate_default=True)  # type: ignore[valid-type]
    """The network; `auto` by the shape of what is made."""
    denoiser: choice("denoiser") = Field(default="edm", validate_default=True)  # type: ignore[valid-type]
    """What the network predicts, and how it becomes an answer: `edm`, `v`, `epsilon`, `x0`, `flow` …"""
    density: choice("noise_density") = Field(default="auto", validate_default=True)  # type: ignore[valid-type]
    """How much noise training rows are given: the distribution of sigma; `auto`: log-normal, as EDM has it, or that of a table."""
    weighting: choice("loss_weighting") = Field(default="auto", validate_default=True)  # type: ignore[valid-type]
    """How much each level of noise counts; `auto`: alike in what the network predicts, which for `edm` is the weight of Karras et al."""
    sigma_data: Literal["auto"] | Positive = "auto"
    """The standard deviation of what is made, as the network is given it; `auto`: measured on training rows."""
    sigma_min: Literal["auto"] | Positive = "auto"
    """The least noise that sampling ends with, before none; `auto`: 0.004 times `sigma_data`, 0.002 in the paper."""
    sigma_max: Literal["auto"] | Positive = "auto"
    """The noise that sampling begins with; `auto`: 160 times `sigma_data`, 80 in the paper."""
    condition_dropout: float = Field(default=0.1, ge=0, le=1)
    """Share of the training rows whose condition is not told, which guidance needs."""
    augment: Augment = None
    """Pictures are flipped, turned, scaled, stretched and moved, each with this probability (0.12 in EDM), and the network is told how."""
    sampler: choice("sampler") = Field(default="dpmpp_2m", validate_default=True)  # type: ignore[valid-type]
    """How samples are made, while it trains and afterwards."""
    sigmas: choice("sigma_schedule") = Field(default="karras", validate_default=True)  # type: ignore[valid-type]
    """Which levels of noise sampling goes through."""
    steps: int = Field(default=20, ge=1)
    """How many of them."""
    guidance: float = Field(default=1.0, ge=0)
    """How strongly samples follow their condition: u + guidance · (c − u), 1 as the model learnt it (Ho and Salimans 2022)."""
    weights: StartingWeights | None = None
    """Weights it begins with: a file, run, checkpoint or URL; or a mapping with `source`."""
    weights_ignore: list[str] = []
    """Patterns of names that are not taken from there."""

    @model_validator(mode="before")
    @classmethod
    def _sampler_may_say_its_levels(cls, data: Any) -> Any:
        return spread_joined(data)

    @model_validator(mode="after")
    def _levels_rise(self) -> Self:
        low, high = self.sigma_min, self.sigma_max
        if isinstance(low, float) and isinstance(high, float) and low >= high:
            what, why = f"sigma_min is {low:g} and sigma_max {high:g}", "sampling goes from the larger to the smaller"
            raise as_refusal(ConfigError(what, why=why, fix=f"sigma_min={high:g} sigma_max={low:g}" if low > high else "leave one out"))
        return self

"""Options of discrete tables of noise, by the names of diffusers' schedulers. Imports no torch."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from trainwright.config.errors import ConfigError
from trainwright.config.model import PartConfig, as_refusal


class TableOptions(PartConfig):
    """A table of noise: how much of the signal is left after each of `num_train_timesteps` steps."""

    type: str
    num_train_timesteps: int = Field(default=1000, ge=2)
    """Levels in the table."""
    beta_schedule: Literal["linear", "scaled_linear", "squaredcos_cap_v2", "sigmoid"] = "linear"
    """How the variance of a step grows: `linear` of DDPM, `scaled_linear` of Stable Diffusion, `squaredcos_cap_v2` of improved DDPM."""
    beta_start: float = Field(default=1e-4, gt=0, lt=1)
    """Variance of the first step; without meaning for `squaredcos_cap_v2`."""
    beta_end: float = Field(default=0.02, gt=0, lt=1)
    """Variance of the last step; without meaning for `squaredcos_cap_v2`."""
    trained_betas: list[float] | None = None
    """All variances, in place of a schedule."""
    rescale_betas_zero_snr: bool = False
    """Nothing of the signal is left in the last level (Lin et al. 2024), so the network must predict v or x0; its σ is 4096 or more."""

    @model_validator(mode="after")
    def _betas_are_possible(self) -> TableOptions:
        if self.beta_start > self.beta_end:
            what = f"beta_start {self.beta_start:g} is above beta_end {self.beta_end:g}"
            raise as_refusal(ConfigError(what, why="noise would shrink from step to step", fix="swap them"))
        if self.trained_betas is not None:
            _check_betas(self.trained_betas)
        return self


def _check_betas(betas: list[float]) -> None:
    wrong = [(number, each) for number, each in enumerate(betas) if not 0 < each < 1]
    if len(betas) < 2:
        raise as_refusal(ConfigError(f"trained_betas has {len(betas)} values", fix="give a variance for every step, at least two"))
    if wrong:
        number, value = wrong[0]
        raise as_refusal(
            ConfigError(
                f"trained_betas[{number}] is {value:g}",
                why="a variance is between 0 and 1",
                fix="give one minus the ratio of two levels of alphas_cumprod",
            )
        )

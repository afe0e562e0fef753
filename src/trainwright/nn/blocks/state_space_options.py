"""Options of state-space blocks. Imports no torch."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from trainwright.config.model import PartConfig
from trainwright.nn.blocks.refusals import refuse


class MambaOptions(PartConfig):
    """A gated selective state space (Gu and Dao 2023, Mamba): what a token leaves behind, and how long, follows from the token."""

    type: str = "mamba"
    width: int = Field(ge=1)
    """Numbers of a token, of the input and the output."""
    state: int = Field(default=16, ge=1)
    """Numbers that each channel carries from token to token."""
    kernel: int = Field(default=4, ge=1)
    """Tokens under the causal convolution before."""
    expand: float = Field(default=2.0, gt=0)
    """Channels inside, in multiples of `width`."""
    rank: int | None = Field(default=None, ge=1)
    """Rank of the map that gives the step sizes; width / 16, rounded up, by default."""
    bias: bool = False
    """The first and the last linear layer have a bias."""
    smallest_step: float = Field(default=0.001, gt=0)
    """Step sizes start log-uniform from here …"""
    largest_step: float = Field(default=0.1, gt=0)
    """… to here."""
    scan: Literal["auto", "sequential", "chunked", "compiled"] = "auto"
    """How states follow each other: one after the other, in about 2√length steps, or by the kernel of mamba_ssm (CUDA)."""

    @model_validator(mode="after")
    def _fits(self) -> Any:
        if self.largest_step < self.smallest_step:
            raise refuse("largest_step", f"is below smallest_step, {self.smallest_step}", fix="raise it, or lower the other")
        if round(self.width * self.expand) < 1:
            raise refuse("expand", f"leaves no channel of width {self.width}", fix="use expand: 2")
        return self


class MambaBlockOptions(MambaOptions):
    """Mamba behind an RMS norm, added to its input (Gu and Dao 2023, figure 3)."""

    type: str = "mamba_block"
    eps: float = Field(default=1e-5, gt=0)
    """Added to the mean square by the norm."""

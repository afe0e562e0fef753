"""Options of the optimizers."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from trainwright.config.model import PartConfig

Decay = Annotated[float, Field(ge=0, lt=1)]


class OptimizerOptions(PartConfig):
    """What every optimizer here has."""

    learning_rate: float = Field(default=1e-3, ge=0)
    """Base learning rate; the schedule multiplies it."""


class AdamOptions(OptimizerOptions):
    """Adam (Kingma and Ba 2015); weight decay is added to the gradient."""

    type: str = "adam"
    betas: list[Decay] = Field(default=[0.9, 0.999], min_length=2, max_length=2)
    """Decay per step of the running mean of the gradient and of its square."""
    eps: float = Field(default=1e-8, gt=0)
    """Added to the root of the second moment."""
    weight_decay: float = Field(default=0.0, ge=0)
    """L2 penalty."""


class AdamWOptions(AdamOptions):
    """AdamW (Loshchilov and Hutter 2019); weights decay by `learning_rate * weight_decay` per step."""

    type: str = "adamw"
    weight_decay: float = Field(default=0.01, ge=0)
    """Decoupled weight decay."""


class SGDOptions(OptimizerOptions):
    """Stochastic gradient descent, with momentum on request."""

    type: str = "sgd"
    learning_rate: float = Field(default=1e-2, ge=0)
    """Base learning rate; the schedule multiplies it."""
    momentum: float = Field(default=0.0, ge=0, lt=1)
    """Share of the last update that is kept."""
    dampening: float = Field(default=0.0, ge=0, le=1)
    """Share of the gradient left out of the momentum."""
    nesterov: bool = False
    """Look ahead along the momentum; needs momentum and no dampening."""
    weight_decay: float = Field(default=0.0, ge=0)
    """L2 penalty."""

"""What the strategies ask for that hold parts of a model in each process."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from trainwright.config.model import ConfigModel
from trainwright.config.name_patterns import Pattern

Format = Literal["bf16", "fp16", "fp32"]


class ShardPrecision(ConfigModel):
    """Formats of the groups of `fsdp`, whose parts stay in float32: of weights that are gathered, of gradients on their way, of outputs."""

    weights: Format = "bf16"
    """Of the weights and inputs of each group's forward and backward pass."""
    gradients: Format = "fp32"
    """In which gradients are summed over the processes."""
    outputs: Literal["bf16", "fp16", "fp32", "as it is"] = "fp32"
    """Of what each group returns."""


class GroupOptions(ConfigModel):
    """Which modules `fsdp` gathers and frees together; all that is in no group is gathered for the whole step."""

    match: list[Pattern] = []
    """Modules that are a group each, by name (`model.layers.*`); empty takes the items of lists of modules that are large enough."""
    smallest: int = Field(default=100_000, ge=0)
    """Values that such an item has at least; small groups cost more to exchange than they save."""

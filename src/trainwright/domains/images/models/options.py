"""What encoders of pictures are told. Imports no torch."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, PositiveInt

from trainwright.config.model import PartConfig


class SmallCNNOptions(PartConfig):
    """Convolutions with batch norm at falling size, for few pictures or small ones."""

    type: str = "small_cnn"
    widths: Annotated[list[PositiveInt], Field(min_length=1)] = [32, 64, 128]
    """Channels of each stage; the size is halved after each."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """Share of what is pooled that is zeroed in training."""

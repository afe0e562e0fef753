"""Positions between queries and keys: turned into them, or added to their scores. This table imports no torch."""

from __future__ import annotations

from typing import Any

from pydantic import Field, model_validator

from trainwright.config.domains import PartTable
from trainwright.config.model import PartConfig
from trainwright.config.part import Part
from trainwright.nn.blocks.refusals import refuse


class RotaryOptions(PartConfig):
    """Pairs of numbers of a head are turned by angles that grow with the position (Su et al. 2021, RoFormer); nothing is learned."""

    type: str = "rotary"
    base: float = Field(default=10000.0, gt=1)
    """Slowest pairs turn this many times slower than the fastest; larger for longer texts (500000 in Llama 3)."""
    share: float = Field(default=1.0, gt=0, le=1)
    """Part of a head that is turned: all of it in LLaMA, 0.25 in GPT-NeoX."""
    interleaved: bool = False
    """Neighbours are pairs, as in the paper and GPT-J; else the two halves of a head, as in LLaMA."""
    stretch: float = Field(default=1.0, gt=0)
    """Positions are divided by this, for longer rows than in training (Chen et al. 2023)."""
    shape: list[int] = Field(default=[])
    """Tokens are the cells of a grid of these sides, row by row, whose axes share the pairs; a sequence where it is empty."""
    prefix: int = Field(default=0, ge=0)
    """Tokens before the cells of a grid that are not turned, such as a class token."""

    @model_validator(mode="after")
    def _fits(self) -> Any:
        if any(side < 1 for side in self.shape):
            raise refuse("shape", f"sides must be at least 1, not {self.shape}", fix="for example shape: [14, 14]")
        if self.prefix and not self.shape:
            raise refuse("prefix", "is of grids", why="in a sequence every token is turned", fix="give the shape of the grid too")
        return self


class ALiBiOptions(PartConfig):
    """Scores fall with distance, by a slope of each head (Press et al. 2022); nothing is learned."""

    type: str = "alibi"


class RelativeOptions(PartConfig):
    """A learned score per head and bucket of distance (Raffel et al. 2020, T5)."""

    type: str = "relative"
    buckets: int = Field(default=32, ge=4)
    """Scores per head; half of them are single distances, the others grow logarithmically."""
    farthest: int = Field(default=128, ge=2)
    """All distances from here on share a bucket."""

    @model_validator(mode="after")
    def _fits(self) -> Any:
        if self.buckets % 4:
            raise refuse("buckets", f"must be a multiple of 4, not {self.buckets}", fix=f"use {self.buckets + -self.buckets % 4}")
        if self.farthest <= self.buckets // 2:
            what = f"must be above half of the buckets, not {self.farthest}"
            raise refuse("farthest", what, fix=f"use more than {self.buckets // 2}, or fewer buckets")
        return self


_HERE = "trainwright.nn.positions"
_PARTS: dict[str, Part] = {
    "rotary": Part(f"{_HERE}.rotary:Rotary", RotaryOptions, "queries and keys turned by their positions (RoPE)"),
    "alibi": Part(f"{_HERE}.scores:ALiBi", ALiBiOptions, "scores that fall with distance"),
    "relative": Part(f"{_HERE}.scores:RelativeScores", RelativeOptions, "a learned score per bucket of distance (T5)"),
}
PARTS = PartTable("positions", _PARTS)
"""Registry name → positions between queries and keys."""

"""What a network that denoises is made for: the shape of a sample, and what is given beside it. Imports no torch."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class BackboneShape:
    """Shape and conditions of samples `x` `(b, channels, *size)`, or `(b, channels)` for vectors; numbers are 0 where there is none."""

    channels: int
    """Channels of a sample, or the length of a vector."""
    size: tuple[int, ...] = ()
    """Positions along each axis: (t,) of signals, (h, w) of pictures, () of vectors."""
    classes: int = 0
    """Classes: `class_cond` is `(b,)` of 0 to classes, the last meaning that no class is given."""
    mapping: int = 0
    """Length of a vector per row, `mapping_cond` `(b, mapping)`."""
    cross: int = 0
    """Width of tokens per row, `cross_cond` `(b, tokens, cross)`, such as those of a text."""
    concat: int = 0
    """Channels of `unet_cond` `(b, concat, *size)`, which are laid beside those of the sample."""
    augment: int = 0
    """Numbers that say how a row was augmented, `aug_cond` `(b, augment)`: 9 of the pipeline of Karras et al. (2022)."""
    variance: bool = False
    """Whether the network also says how wrong it expects to be, when called with `return_variance=True`."""

    @property
    def numbers(self) -> int:
        """Numbers of one sample."""
        return self.channels * math.prod(self.size)

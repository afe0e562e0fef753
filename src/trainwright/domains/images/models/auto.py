"""The encoder of a column of pictures when none is named: by their size and the training rows."""

from __future__ import annotations

from trainwright.config.model import PartConfig
from trainwright.domains.images.models.options import ImageResNetOptions, SmallCNNOptions
from trainwright.domains.images.models.pictures import shape_of
from trainwright.features.spec import InputGroup

MANY_ROWS = 20_000
"""From so many training rows on, pictures get a residual network of 18 layers."""
WIDTHS = (32, 64, 128, 256)
"""Channels of the stages of the small network; the last is for pictures whose first stage has at least `WIDE` pixels a side."""
WIDE = 48
STEM = 16
"""Channels of its first convolution with stride 2, for pictures whose shorter side is at least `LARGE`."""
LARGE = 48
OF_MASKS = (16, 32, 64, 128)
"""The same where a decoder makes masks of its maps: the way down of a U-Net, whose largest map is as large as the picture."""


def for_images(group: InputGroup, combiner: str, rows: int) -> PartConfig:
    """The options of the encoder that suits the pictures of a group, for a number of training rows."""
    _, _, *size = shape_of(group, "auto")
    if group.extras.get("maps"):
        return SmallCNNOptions(widths=list(OF_MASKS), stem=0)
    if rows >= MANY_ROWS and min(size) >= 16:
        return ImageResNetOptions()
    return small_network(min(size))


def small_network(side: int) -> SmallCNNOptions:
    """A small network for pictures whose shorter side is this: three stages or four, fewer of a few pixels."""
    stem = STEM if side >= LARGE else 0
    stages = len(WIDTHS) if side >= (2 if stem else 1) * WIDE else len(WIDTHS) - 1
    while stages > 1 and 2 ** (stages - 1) > side:
        stages -= 1
    return SmallCNNOptions(widths=list(WIDTHS[:stages]), stem=stem)

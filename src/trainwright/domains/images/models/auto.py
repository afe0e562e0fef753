"""The encoder of a column of pictures when none is named: by their size and the training rows."""

from __future__ import annotations

from trainwright.config.model import PartConfig
from trainwright.domains.images.models.options import SmallCNNOptions
from trainwright.features.spec import InputGroup

LEAST = 8
"""What is left of the shorter side after the last stage but one."""


def for_images(group: InputGroup, combiner: str, rows: int) -> PartConfig:
    """The options of the encoder that suits the pictures of a group, for a number of training rows."""
    side = min(group.parts["value"][-2:])
    stages = 2 if side <= 2 * LEAST else 3 if side < 8 * LEAST else 4
    return SmallCNNOptions(widths=[32 * 2**each for each in range(stages)])

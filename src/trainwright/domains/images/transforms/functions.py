"""What is done with one picture, as functions: `functions.rotate(picture, 30)`; names as in `torchvision.transforms.v2.functional`.

A uint8 tensor `(c, h, w)` of the CPU goes through Pillow where Pillow can do it (and equals it), anything else through tensors, as
torchvision's tensor kernels do it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, wraps
from importlib import import_module
from typing import Any

import torch
from torch import Tensor

from trainwright.config.errors import did_you_mean
from trainwright.domains.images.reading.libraries import pillow
from trainwright.domains.images.transforms import tensors

COLORS = ("adjust_brightness", "adjust_contrast", "adjust_saturation", "adjust_hue", "adjust_gamma", "adjust_sharpness", "adjust_in_turn")
"""What has a meaning for gray and RGB alone, so that a fourth channel is left as it is."""
OF_RGB = ("adjust_brightness", "adjust_contrast", "adjust_saturation", "adjust_hue", "adjust_in_turn", "rgb_to_grayscale")
"""What Pillow does to gray and RGB alone, not channel by channel."""
NAMES = tuple(tensors.__all__)


def __getattr__(name: str) -> Callable[..., Any]:
    if name not in NAMES:
        raise AttributeError(f"no function of pictures is called '{name}'; {did_you_mean(name, NAMES)}")
    return function(name)


@cache
def function(name: str) -> Callable[..., Any]:
    """The function of a name, by Pillow or by tensors as the picture is."""
    pillow()  # which says what to install where it is not
    by_tensors = getattr(tensors, name)
    by_pillow = getattr(import_module("trainwright.domains.images.transforms.pillow"), name, by_tensors)

    @wraps(by_tensors)
    def change(picture: Tensor, *given: Any, **named: Any) -> Any:
        if name in COLORS and picture.shape[-3] == 4:
            return torch.cat([change(picture[..., :3, :, :], *given, **named), picture[..., 3:, :, :]], dim=-3)
        chosen = by_pillow if is_pillows(picture) and (name not in OF_RGB or len(picture) in (1, 3)) else by_tensors
        return chosen(picture, *given, **named)

    return change


def is_pillows(picture: Tensor) -> bool:
    """Whether Pillow has such pictures: single ones of uint8, in the memory of the CPU."""
    return picture.dtype == torch.uint8 and picture.dim() == 3 and picture.device.type == "cpu"

"""Single uint8 pictures `(c, h, w)` by Pillow, equal to it pixel for pixel: what workers use."""

from trainwright.domains.images.transforms.pillow.colors import (
    adjust_brightness,
    adjust_contrast,
    adjust_gamma,
    adjust_hue,
    adjust_in_turn,
    adjust_saturation,
    adjust_sharpness,
    autocontrast,
    blur,
    equalize,
    posterize,
    rgb_to_grayscale,
    solarize,
)
from trainwright.domains.images.transforms.pillow.geometry import (
    affine,
    by_matrix,
    perspective,
    resize,
    resize_and_crop,
    resized_crop,
    rotate,
    transform,
)
from trainwright.domains.images.transforms.pillow.pictures import from_pillow, to_pillow

__all__ = [
    "adjust_brightness", "adjust_contrast", "adjust_gamma", "adjust_hue", "adjust_in_turn", "adjust_saturation",
    "adjust_sharpness", "affine", "autocontrast", "blur", "by_matrix", "equalize", "from_pillow", "perspective", "posterize",
    "resize", "resize_and_crop", "resized_crop", "rgb_to_grayscale", "rotate", "solarize", "to_pillow", "transform",
]  # fmt: skip

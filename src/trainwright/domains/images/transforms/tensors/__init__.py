"""Pictures as tensors of any number of leading dimensions, uint8 or float: what torchvision's tensor kernels give, on any device."""

from trainwright.domains.images.transforms.tensors.colors import (
    adjust_brightness,
    adjust_contrast,
    adjust_gamma,
    adjust_hue,
    adjust_in_turn,
    adjust_saturation,
    blend,
    normalize,
    rgb_to_grayscale,
)
from trainwright.domains.images.transforms.tensors.pieces import (
    center_crop,
    crop,
    erase,
    five_crop,
    horizontal_flip,
    pad,
    permute_channels,
    resize_and_crop,
    resized_crop,
    rot90,
    ten_crop,
    vertical_flip,
)
from trainwright.domains.images.transforms.tensors.resizing import resize
from trainwright.domains.images.transforms.tensors.tones import (
    adjust_sharpness,
    autocontrast,
    equalize,
    gaussian_blur,
    gaussian_noise,
    invert,
    posterize,
    solarize,
    solarize_add,
)
from trainwright.domains.images.transforms.tensors.values import to_dtype
from trainwright.domains.images.transforms.tensors.warping import affine, by_matrix, elastic, perspective, rotate

__all__ = [
    "adjust_brightness", "adjust_contrast", "adjust_gamma", "adjust_hue", "adjust_in_turn", "adjust_saturation",
    "adjust_sharpness", "affine", "autocontrast", "blend", "by_matrix", "center_crop", "crop", "elastic", "equalize", "erase",
    "five_crop", "gaussian_blur", "gaussian_noise", "horizontal_flip", "invert", "normalize", "pad", "permute_channels",
    "perspective", "posterize", "resize", "resize_and_crop", "resized_crop", "rgb_to_grayscale", "rot90", "rotate", "solarize",
    "solarize_add", "ten_crop", "to_dtype", "vertical_flip",
]  # fmt: skip

"""Transforms of pictures, by name. Imports no torch."""

from __future__ import annotations

from trainwright.config.part import Part
from trainwright.domains.images.transforms.batches import PARTS as BATCHES
from trainwright.domains.images.transforms.policies import PARTS as POLICIES

_HERE = "trainwright.domains.images.transforms"


def _part(path: str, options: str, summary: str) -> Part:
    return Part(f"{_HERE}.{path}", f"{_HERE}.options:{options}", summary)


def _geometry(path: str, options: str, summary: str) -> Part:
    return Part(f"{_HERE}.{path}", f"{_HERE}.geometry_options:{options}", summary)


def _color(name: str, summary: str) -> Part:
    return Part(f"{_HERE}.colors:{name}", f"{_HERE}.color_options:{name}Options", summary)


PARTS: dict[str, Part] = {
    "fit": _part("fit:Fit", "FitOptions", "the whole picture at one size"),
    "store": _part("fit:Store", "StoreOptions", "a smaller picture to keep"),
    "resize": _part("fit:Resize", "ResizeOptions", "the short side, or both, at another size"),
    "pad": _part("fit:Pad", "PadOptions", "a border around the picture"),
    "random_resized_crop": _part("crops:RandomResizedCrop", "RandomResizedCropOptions", "a piece of random area and shape, at one size"),
    "random_zoom_out": _part("crops:RandomZoomOut", "RandomZoomOutOptions", "the picture on a larger canvas"),
    "random_horizontal_flip": _geometry("flips:RandomHorizontalFlip", "RandomHorizontalFlipOptions", "left and right exchanged"),
    "random_vertical_flip": _geometry("flips:RandomVerticalFlip", "RandomVerticalFlipOptions", "top and bottom exchanged"),
    "random_rotate90": _geometry("flips:RandomRotate90", "RandomRotate90Options", "turned by quarters"),
    "random_rotation": _geometry("warps:RandomRotation", "RandomRotationOptions", "turned by a random angle"),
    "random_rotate": _geometry("warps:RandomRotation", "RandomRotateOptions", "turned by a random angle, as Ludwig's"),
    "random_affine": _geometry("warps:RandomAffine", "RandomAffineOptions", "turned, moved, scaled and sheared at once"),
    "random_perspective": _geometry("warps:RandomPerspective", "RandomPerspectiveOptions", "seen from another side"),
    "elastic_transform": _geometry("warps:ElasticTransform", "ElasticTransformOptions", "bent as if on rubber"),
    "color_jitter": _color("ColorJitter", "brightness, contrast, saturation and hue at random"),
    "random_brightness": _color("RandomBrightness", "darker or brighter, as Ludwig's"),
    "random_contrast": _color("RandomContrast", "less or more contrast, as Ludwig's"),
    "grayscale": _color("Grayscale", "every picture in gray"),
    "random_grayscale": _color("RandomGrayscale", "some pictures in gray"),
    "random_invert": _color("RandomInvert", "some pictures as negatives"),
    "random_posterize": _color("RandomPosterize", "few levels of each colour"),
    "random_solarize": _color("RandomSolarize", "numbers from a threshold on inverted"),
    "random_adjust_sharpness": _color("RandomAdjustSharpness", "sharper or smoother"),
    "random_autocontrast": _color("RandomAutocontrast", "the darkest made black and the brightest white"),
    "random_equalize": _color("RandomEqualize", "all levels made equally frequent"),
    "gaussian_blur": _color("GaussianBlur", "neighbours mixed by a bell curve of random width"),
    "random_blur": Part(f"{_HERE}.colors:GaussianBlur", f"{_HERE}.color_options:RandomBlurOptions", "neighbours mixed, as Ludwig's"),
    "gaussian_noise": _color("GaussianNoise", "independent noise on every number"),
    "random_channel_permutation": _color("RandomChannelPermutation", "the channels in random order"),
    "random_photometric_distort": _color("RandomPhotometricDistort", "colours and the order of channels, each in some pictures"),
    "library_transform": Part(
        f"{_HERE}.library:LibraryTransform",
        f"{_HERE}.library_options:LibraryTransformOptions",
        "one of torchvision, timm, albumentations",
    ),
    **POLICIES,
    **BATCHES,
}

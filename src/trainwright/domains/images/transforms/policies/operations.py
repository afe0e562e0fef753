"""The operations of policies on a Pillow picture, gray or RGB, and what each does to masks and boxes."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageEnhance, ImageFilter, ImageOps
from torch import Tensor

from trainwright.config.errors import DataError

Matrix = tuple[float, float, float, float, float, float]
"""Place in the result (x, y) → place in the picture (a·x + b·y + c, d·x + e·y + f), in pixels."""
Fill = int | tuple[int, ...]
"""What comes in at the edges: one level, or one of each channel."""
THRESHOLD = 128
"""SolarizeAdd adds below this."""


@dataclass(frozen=True)
class Step:
    """One operation of a policy, as it was drawn."""

    name: str
    """As timm or torchvision calls it."""
    argument: float = 0.0
    """Degrees, a shear, a share of a side or pixels, a factor, a threshold (0 to 256), bits that are kept, a radius."""
    resample: str = "nearest"
    """Of operations that move pixels: nearest, bilinear or bicubic."""


def geometry(step: Step, height: int, width: int) -> Matrix | None:
    """Where each place of the result comes from; None for an operation that moves nothing."""
    by, name = step.argument, step.name
    if name == "Rotate":
        return _turn(by, height, width)
    moved: dict[str, Matrix] = {
        "ShearX": (1, by, 0, 0, 1, 0),
        "ShearY": (1, 0, 0, by, 1, 0),
        "TranslateX": (1, 0, by, 0, 1, 0),
        "TranslateY": (1, 0, 0, 0, 1, by),
        "TranslateXRel": (1, 0, by * width, 0, 1, 0),
        "TranslateYRel": (1, 0, 0, 0, 1, by * height),
    }
    return moved.get(name)


def _turn(degrees: float, height: int, width: int) -> Matrix:
    """Counter-clockwise about the middle."""
    angle, x, y = -math.radians(degrees), width / 2, height / 2
    cos, sin = math.cos(angle), math.sin(angle)
    return (cos, sin, x - cos * x - sin * y, -sin, cos, y + sin * x - cos * y)


def apply_steps(picture: Tensor, steps: list[Step], fill: Fill) -> Tensor:
    """Operations on a picture `(c, h, w)` uint8, c 1 or 3, in order, with Pillow's kernels. Raises DataError for other channels."""
    steps = [each for each in steps if each.name != "Identity"]
    if not steps:
        return picture
    image = to_image(picture)
    for each in steps:
        image = _apply(image, each, fill)
    return from_image(image)


def to_image(picture: Tensor) -> Image.Image:
    """A picture `(c, h, w)` uint8 as Pillow has it. Raises DataError unless it is gray or RGB."""
    if picture.dim() != 3 or picture.shape[0] not in (1, 3) or picture.dtype != torch.uint8:
        what = f"a policy is given {str(picture.dtype).removeprefix('torch.')} of shape {tuple(picture.shape)}"
        why = "its operations are of gray or RGB pictures in uint8"
        raise DataError(
            what, why=why, fix="set channels: 3 or channels: 1, levels: 8, and put what makes numbers of pictures after the policy"
        )
    array = picture.permute(1, 2, 0).contiguous().numpy()
    return Image.fromarray(array[:, :, 0] if picture.shape[0] == 1 else array)


def from_image(image: Image.Image) -> Tensor:
    """A picture `(c, h, w)` of a Pillow picture."""
    array = np.array(image)
    return torch.from_numpy(array)[None] if array.ndim == 2 else torch.from_numpy(array).permute(2, 0, 1).contiguous()


def _fill_of(image: Image.Image, fill: Fill) -> Fill:
    """The fill as the mode of a picture wants it: a gray picture is filled with the mean of three levels."""
    levels = (fill,) if isinstance(fill, int) else fill
    if image.mode == "RGB":
        return levels * 3 if len(levels) == 1 else levels
    return round(sum(levels) / len(levels))


def _apply(image: Image.Image, step: Step, fill: Fill) -> Image.Image:
    matrix = geometry(step, image.height, image.width)
    if matrix is None:
        done: Image.Image = COLOURS[_plain(step.name)](image, step.argument)
        return done
    resampling, wanted = Image.Resampling[step.resample.upper()], _fill_of(image, fill)
    if step.name == "Rotate":  # Pillow turns by a quarter without loss
        return image.rotate(step.argument, resample=resampling, fillcolor=wanted)
    return image.transform(image.size, Image.Transform.AFFINE, matrix, resample=resampling, fillcolor=wanted)


def mask_steps(mask: Tensor, steps: list[Step], fill: int) -> Tensor:
    """A mask `(h, w)` of whole numbers under the operations that move pixels, each pixel from the nearest one, with `fill` at the edges."""
    image, moved = None, False
    for step in steps:
        matrix = geometry(step, *mask.shape)
        if matrix is None:
            continue
        if image is None:
            image = Image.fromarray(mask.to(torch.int32).contiguous().numpy())
        nearest, moved = Image.Resampling.NEAREST, True
        if step.name == "Rotate":
            image = image.rotate(step.argument, resample=nearest, fillcolor=fill)
        else:
            image = image.transform(image.size, Image.Transform.AFFINE, matrix, resample=nearest, fillcolor=fill)
    return torch.from_numpy(np.array(image)).to(mask.dtype) if moved else mask


def box_steps(boxes: Tensor, steps: list[Step], height: int, width: int) -> Tensor:
    """Boxes `(n, 4)` of x0, y0, x1, y1 in pixels under the operations that move pixels: round the four moved corners, cut at the edges."""
    for step in steps:
        matrix = geometry(step, height, width)
        if matrix is not None and len(boxes):
            boxes = _moved_boxes(boxes, matrix, height, width)
    return boxes


def _moved_boxes(boxes: Tensor, matrix: Matrix, height: int, width: int) -> Tensor:
    a, b, c, d, e, f = matrix
    x, y = boxes[:, [0, 2, 0, 2]].double() - c, boxes[:, [1, 1, 3, 3]].double() - f
    determinant = a * e - b * d
    to_x, to_y = (e * x - b * y) / determinant, (a * y - d * x) / determinant
    moved = torch.stack([to_x.amin(1), to_y.amin(1), to_x.amax(1), to_y.amax(1)], dim=1)
    return moved.clamp(min=0).minimum(torch.tensor([width, height, width, height], dtype=moved.dtype)).to(boxes.dtype)


def _plain(name: str) -> str:
    for ending in ("Increasing", "Original", "Rand"):
        name = name.removesuffix(ending)
    return name


def _enhancer(name: str) -> Callable[[Any, float], Any]:
    return lambda image, factor: getattr(ImageEnhance, name)(image).enhance(factor)


def _solarize_add(image: Any, add: float) -> Any:
    table = [min(255, level + int(add)) if level < THRESHOLD else level for level in range(256)]
    return image.point(table * len(image.getbands()))


def _solarize(image: Any, threshold: float) -> Any:
    return image.point([level if level < threshold else 255 - level for level in range(256)] * len(image.getbands()))


def _posterize(image: Any, bits: float) -> Any:
    kept = (0xFF << (8 - int(bits))) & 0xFF  # no bits at all make a black picture, which Pillow's own function refuses
    return image if bits >= 8 else image.point([level & kept for level in range(256)] * len(image.getbands()))


def _desaturate(image: Any, share: float) -> Any:
    return ImageEnhance.Color(image).enhance(min(1.0, max(0.0, 1.0 - share)))


COLOURS: dict[str, Callable[[Any, float], Any]] = {
    "AutoContrast": lambda image, _: ImageOps.autocontrast(image),
    "Equalize": lambda image, _: ImageOps.equalize(image),
    "Invert": lambda image, _: ImageOps.invert(image),
    "Posterize": _posterize,
    "Solarize": _solarize,
    "SolarizeAdd": _solarize_add,
    "Color": _enhancer("Color"),
    "Contrast": _enhancer("Contrast"),
    "Brightness": _enhancer("Brightness"),
    "Sharpness": _enhancer("Sharpness"),
    "Desaturate": _desaturate,
    "GaussianBlur": lambda image, radius: image.filter(ImageFilter.GaussianBlur(radius=radius)),
}
"""Operation → what it does to a gray or RGB picture with its argument; an enhancer's is its factor."""


def blend_chains(picture: Tensor, chains: list[Tensor], weights: list[float], share: float) -> Tensor:
    """(1 - share)·picture + share·Σ weight·chain, pictures `(c, h, w)` uint8, cut off after the point (Hendrycks et al. 2020)."""
    mixed = torch.zeros(picture.shape, dtype=torch.float32)
    for weight, each in zip(weights, chains, strict=True):
        mixed += weight * each.float()
    return torch.lerp(picture.float(), mixed.clamp(0, 255).floor(), share).clamp(0, 255).byte()


def blend_one_by_one(picture: Tensor, chains: list[Tensor], weights: list[float], share: float) -> Tensor:
    """The same mixture with one blend for each chain, as timm's `b1` has it: rounded each time, so that it differs by a level or two."""
    left, shares = 1.0, []
    for weight in reversed(weights):
        part = weight * share / left if left > 0 else 0.0
        left *= 1 - part
        shares.append(part)
    for part, each in zip(reversed(shares), chains, strict=True):
        picture = torch.lerp(picture.float(), each.float(), part).byte()
    return picture

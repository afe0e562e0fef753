"""Pieces of pictures `(…, c, h, w)`, borders around them, and pictures turned over: pixels move whole, so any type of number will do."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from trainwright.domains.images.transforms.tensors.resizing import resize

Fill = float | Sequence[float] | str
"""One number for all channels, or one for each; where pictures are warped, `edge` too: the outermost pixel."""


def crop(picture: Tensor, top: int, left: int, height: int, width: int, fill: Fill = 0) -> Tensor:
    """The piece whose upper left corner is at (top, left); what lies outside of the picture is `fill`."""
    rows, columns = picture.shape[-2:]
    inside = picture[..., max(top, 0) : max(min(top + height, rows), 0), max(left, 0) : max(min(left + width, columns), 0)]
    if inside.shape[-2:] == (height, width):
        return inside
    found = filled(picture, (height, width), fill)
    if inside.numel():
        y, x = max(-top, 0), max(-left, 0)
        found[..., y : y + inside.shape[-2], x : x + inside.shape[-1]] = inside
    return found


def filled(like: Tensor, size: tuple[int, int], fill: Fill) -> Tensor:
    """A picture of one colour, in number and type of its channels as another one."""
    color = torch.as_tensor(fill, device=like.device).to(like.dtype).reshape(-1, 1, 1)
    return color.expand(*like.shape[:-2], *size).clone() if like.dim() > 2 else color.reshape(1, 1).expand(size).clone()


def center_crop(picture: Tensor, size: tuple[int, int], fill: Fill = 0) -> Tensor:
    """The middle, at round((h − height) / 2); a picture that is smaller gets a border."""
    (rows, columns), (height, width) = picture.shape[-2:], size
    top = round((rows - height) / 2) if rows >= height else -((height - rows) // 2)
    left = round((columns - width) / 2) if columns >= width else -((width - columns) // 2)
    return crop(picture, top, left, height, width, fill)


def resize_and_crop(
    picture: Tensor, resized: tuple[int, int], box: tuple[int, int, int, int], interpolation: str = "bilinear", antialias: bool = True
) -> Tensor:
    """The piece `box` (top, left, height, width), which lies inside, of the picture at another size."""
    return crop(resize(picture, resized, interpolation, antialias), *box)


def resized_crop(
    picture: Tensor, box: tuple[int, int, int, int], size: tuple[int, int], interpolation: str = "bilinear", antialias: bool = True
) -> Tensor:
    """The piece `box` (top, left, height, width) at another size."""
    return resize(crop(picture, *box), size, interpolation, antialias)


def five_crop(picture: Tensor, size: tuple[int, int]) -> list[Tensor]:
    """The four corners (upper left, upper right, lower left, lower right) and the middle. Raises ValueError where they do not fit."""
    (rows, columns), (height, width) = picture.shape[-2:], size
    if height > rows or width > columns:
        raise ValueError(f"pieces of {height}×{width} do not fit into a picture of {rows}×{columns}")
    corners = [(0, 0), (0, columns - width), (rows - height, 0), (rows - height, columns - width)]
    return [*(crop(picture, top, left, height, width) for top, left in corners), center_crop(picture, size)]


def ten_crop(picture: Tensor, size: tuple[int, int], vertical: bool = False) -> list[Tensor]:
    """`five_crop` of the picture and of its mirror image."""
    mirrored = vertical_flip(picture) if vertical else horizontal_flip(picture)
    return [*five_crop(picture, size), *five_crop(mirrored, size)]


def pad(picture: Tensor, padding: tuple[int, int, int, int], mode: str = "constant", fill: Fill = 0) -> Tensor:
    """A border of `padding` (left, top, right, bottom) pixels: `fill` (`constant`), the `edge`, or the picture mirrored at its last
    pixels (`reflect`: they stand once; `symmetric`: twice). Raises ValueError for a mirrored border wider than the picture."""
    left, top, right, bottom = padding
    rows, columns = picture.shape[-2:]
    if mode == "constant" or min(padding) < 0:
        return crop(picture, -top, -left, rows + top + bottom, columns + left + right, fill)
    down = _places(-top, rows + bottom, rows, mode).to(picture.device)
    across = _places(-left, columns + right, columns, mode).to(picture.device)
    return picture.index_select(-2, down).index_select(-1, across)


def _places(first: int, after: int, there: int, mode: str) -> Tensor:
    """Where the pixels of a line with its border come from."""
    places = torch.arange(first, after)
    if mode == "edge":
        return places.clamp(0, there - 1)
    last = there - (mode == "reflect")
    if max(-first, after - there) > last:
        raise ValueError(f"a border of {max(-first, after - there)} pixels is wider than the picture of {there} that is mirrored in it")
    if mode == "reflect":
        return (there - 1) - ((there - 1) - places.abs()).abs()
    places = torch.where(places < 0, -places - 1, places)
    return torch.where(places >= there, 2 * there - 1 - places, places)


def horizontal_flip(picture: Tensor) -> Tensor:
    """Left and right exchanged."""
    return picture.flip(-1)


def vertical_flip(picture: Tensor) -> Tensor:
    """Top and bottom exchanged."""
    return picture.flip(-2)


def rot90(picture: Tensor, turns: int) -> Tensor:
    """A number of quarter turns counter-clockwise; no pixel changes its colour."""
    return picture.rot90(turns, (-2, -1))


def permute_channels(picture: Tensor, order: Sequence[int]) -> Tensor:
    """The channels in another order."""
    return picture[..., list(order), :, :]


def erase(picture: Tensor, top: int, left: int, value: Tensor) -> Tensor:
    """A copy with `value` (c, h, w), or what spreads over a piece of its height and width, at (top, left)."""
    found = picture.clone()
    height, width = value.shape[-2:]
    found[..., top : top + height, left : left + width] = value.to(picture)
    return found

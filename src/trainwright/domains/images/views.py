"""Views of pictures, over which an answer is averaged: mirrored, turned, pieces and other sizes (test-time augmentation)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional

from trainwright.config.errors import ConfigError, did_you_mean
from trainwright.features.spec import InputGroup

PIECE = 0.875
"""Side of a piece of `five_crop`, as a share of the picture's: timm's share of the middle that is kept where pictures are evaluated."""
SCALES = (0.75, 1.0, 1.25)
"""Sizes of `scales`, as shares of the column's."""
NAMES = ("flip", "flip_vertical", "rot90", "five_crop", "ten_crop", "scales")
"""What can be asked for; the picture as it is belongs to all but the pieces."""
WHERE = "evaluation.views"


@dataclass(frozen=True)
class PictureView:
    """Every column of pictures seen in one way: a piece, mirrored, then turned by right angles."""

    name: str
    keys: tuple[str, ...]
    """The parts of a batch that hold pictures `(b, columns, c, h, w)`."""
    flips: tuple[int, ...] = ()
    """Dimensions that are mirrored: −1 left and right, −2 top and bottom."""
    turns: int = 0
    """Quarter turns, counter-clockwise."""
    piece: tuple[float, float] | None = None
    """Where a piece begins (top, left), as a share of what is left over; None for the whole."""
    scale: float = 1.0
    """Its size, as a share of the column's."""

    def change(self, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The batch with its pictures seen so."""
        return {**batch, **{key: self._see(batch[key]) for key in self.keys}}

    def _see(self, pictures: Tensor) -> Tensor:
        size = pictures.shape[-2], pictures.shape[-1]
        x = pictures.flatten(0, 1).float()
        if self.piece is not None:
            top, left, height, width = _box(self.piece, size)
            x = _resized(x[..., top : top + height, left : left + width], size)
        if self.scale != 1.0:
            x = _resized(x, (max(round(size[0] * self.scale), 1), max(round(size[1] * self.scale), 1)))
        x = torch.rot90(x.flip(self.flips) if self.flips else x, self.turns, (-2, -1))
        return x.reshape(*pictures.shape[:2], *x.shape[1:]).to(pictures.dtype) if pictures.is_floating_point() else _like(x, pictures)

    def back(self, scores: Tensor) -> tuple[Tensor, Tensor]:
        """Scores `[b, c, h, w]` where the picture itself has them, and which pixels were seen `[h, w]`."""
        x = torch.rot90(scores, -self.turns, (-2, -1))
        x = x.flip(self.flips) if self.flips else x
        size = x.shape[-2], x.shape[-1]
        if self.piece is None:
            return x, x.new_ones(size)
        top, left, height, width = _box(self.piece, size)
        whole, seen = torch.zeros_like(x), x.new_zeros(size)
        whole[..., top : top + height, left : left + width] = _resized(x, (height, width))
        seen[top : top + height, left : left + width] = 1
        return whole, seen


def make_views(groups: Sequence[InputGroup], names: Sequence[str]) -> list[PictureView]:
    """The views that are asked for, each once. Raises ConfigError for names that are none, and what these pictures cannot be."""
    strange = next((name for name in names if name not in NAMES), None)
    if strange is not None:
        raise ConfigError(f"there is no view '{strange}'", where=WHERE, fix=did_you_mean(strange, NAMES))
    sizes = {tuple(group.parts["value"][-2:]) for group in groups}
    if "rot90" in names and any(height != width for height, width in sizes):
        shown = ", ".join(f"{height}×{width}" for height, width in sizes)
        raise ConfigError("pictures that are not square cannot be turned", where=WHERE, why=f"they are {shown}", fix="leave rot90 out")
    plain = PictureView("as it is", tuple(f"{group.name}.value" for group in groups))
    found = [each for name in names for each in _views(name, plain)]
    return list({replace(each, name=""): each for each in found}.values())


def _views(name: str, plain: PictureView) -> list[PictureView]:
    if name == "flip":
        return [plain, replace(plain, name="mirrored", flips=(-1,))]
    if name == "flip_vertical":
        return [plain, replace(plain, name="upside down", flips=(-2,))]
    if name == "rot90":
        return [plain, *(replace(plain, name=f"turned by {90 * turns}°", turns=turns) for turns in (1, 2, 3))]
    if name == "scales":
        return [plain if scale == 1 else replace(plain, name=f"at {scale:g} of its size", scale=scale) for scale in SCALES]
    corners = {
        "upper left": (0.0, 0.0),
        "upper right": (0.0, 1.0),
        "lower left": (1.0, 0.0),
        "lower right": (1.0, 1.0),
        "middle": (0.5, 0.5),
    }
    pieces = [replace(plain, name=f"{where} piece", piece=place) for where, place in corners.items()]
    if name == "five_crop":
        return pieces
    return [*pieces, *(replace(each, name=f"{each.name}, mirrored", flips=(-1,)) for each in pieces)]


def _box(piece: tuple[float, float], size: tuple[int, int]) -> tuple[int, int, int, int]:
    height, width = (max(round(side * PIECE), 1) for side in size)
    return round((size[0] - height) * piece[0]), round((size[1] - width) * piece[1]), height, width


def _resized(x: Tensor, size: tuple[int, int]) -> Tensor:
    return x if tuple(x.shape[-2:]) == size else functional.interpolate(x, list(size), mode="bilinear", antialias=True)


def _like(x: Tensor, pictures: Tensor) -> Tensor:
    levels = x if pictures.is_floating_point() else x.round()
    return levels.clamp(0, 255).reshape(*pictures.shape[:2], *x.shape[1:]).to(pictures.dtype)

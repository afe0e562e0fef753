"""Drawn shapes: discs, squares and triangles on a noisy ground, with the class of every pixel. What is drawn never changes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from trainwright.domains.images.synth.options import ShapesOptions

NAMES = ("background", "disc", "square", "triangle")
"""The classes of the pixels, from 0."""
PALETTE = ((0, 0, 0), (230, 80, 60), (70, 140, 230), (240, 190, 40))
"""Their colours in the mask files, 0 to 255."""
MOST = 2
"""Shapes of a picture, at most; one at least."""
NUMBERS = 11
"""Drawn for a picture and for each of its shapes."""


def draw_shapes(count: int, size: int = 48, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Pictures uint8 `(count, size, size, 3)` and their classes uint8 `(count, size, size)`.

    Each picture follows from (seed, its number) alone: the first of many are those of few. Colours say nothing of the class.
    """
    drawn = [_draw_one(size, seed, number) for number in range(count)]
    return np.stack([picture for picture, _ in drawn]), np.stack([mask for _, mask in drawn])


def _uniform(seed: int, number: int, count: int) -> np.ndarray:
    """Numbers in [0, 1) from the raw words of Philox, whose stream numpy promises never to change."""
    words = np.random.Philox(key=np.array([seed, number], np.uint64)).random_raw(count)
    return (words >> np.uint64(11)).astype(np.float64) * 2.0**-53


def _draw_one(size: int, seed: int, number: int) -> tuple[np.ndarray, np.ndarray]:
    told = NUMBERS * (MOST + 1)
    drawn = _uniform(seed, number, told + 3 * size * size)
    rows, noise = drawn[:told].reshape(-1, NUMBERS), drawn[told:].reshape(size, size, 3)
    y, x = np.mgrid[:size, :size] + 0.5
    first = rows[0]
    slope = (x * (first[3] - 0.5) + y * (first[4] - 0.5))[..., None] / size
    picture = 60 + 120 * first[:3] + 60 * slope
    mask = np.zeros((size, size), np.uint8)
    for row in rows[1 : 2 + int(MOST * first[5])]:
        kind = 1 + int(3 * row[0])
        inside = _inside(kind, x, y, row, size)
        mask[inside] = kind
        picture = np.where(inside[..., None], _colour(first[:3], row), picture)
    picture = np.clip(picture + 40 * (noise - 0.5), 0, 255)
    return np.rint(picture).astype(np.uint8), mask


def _colour(ground: np.ndarray, row: np.ndarray) -> np.ndarray:
    """A colour, at least 50 levels from the ground in each channel, lighter or darker."""
    apart = 50 + 40 * row[6:9]
    middle = 60 + 120 * ground
    return np.where(row[[5, 9, 10]] < 0.5, middle - apart, middle + apart)


def _inside(kind: int, x: np.ndarray, y: np.ndarray, row: np.ndarray, size: int) -> np.ndarray:
    """Which pixels' centres lie in a shape of about the same area whatever its kind, turned by any angle."""
    radius = size * (0.13 + 0.09 * row[3])
    dx, dy = x - size * (0.1 + 0.8 * row[1]), y - size * (0.1 + 0.8 * row[2])
    turn = 2 * np.pi * row[4]
    along, across = dx * np.cos(turn) + dy * np.sin(turn), dy * np.cos(turn) - dx * np.sin(turn)
    if kind == 1:
        return dx * dx + dy * dy <= radius * radius
    if kind == 2:
        return np.maximum(np.abs(along), np.abs(across)) <= 0.886 * radius
    third = np.pi * 2 / 3
    edges = [along * np.cos(third * side) + across * np.sin(third * side) for side in range(3)]
    return np.maximum.reduce(edges) <= 0.777 * radius


def write_shapes(folder: Path, seed: int, options: ShapesOptions) -> list[str]:
    """Write `images/*.png`, `masks/*.png` (palette) and `classes.json`; what `trainwright train FOLDER` needs besides is nothing."""
    from trainwright.domains.images.masks.files import write_mask
    from trainwright.domains.images.reading.libraries import pillow

    pictures, masks = draw_shapes(options.pictures, options.size, seed)
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for number, (picture, mask) in enumerate(zip(pictures, masks, strict=True)):
        pillow().fromarray(picture).save(folder / "images" / f"{number:04d}.png")
        write_mask(folder / "masks" / f"{number:04d}.png", mask, PALETTE)
    said = {"names": list(NAMES), "palette": [list(each) for each in PALETTE]}
    (folder / "classes.json").write_text(json.dumps(said) + "\n", encoding="utf-8")
    return []

"""`trainwright synth houses`: a photograph beside two numbers, and a price that needs both."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from trainwright.domains.images.synth.pictures import jpeg

if TYPE_CHECKING:
    from trainwright.domains.images.synth.options import HousesOptions

SKY = (150, 190, 230)
MOST_FLOORS = 4
NOISE = 12.0
"""Standard deviation of what nothing tells of a price."""


def write_houses(folder: Path, seed: int, options: HousesOptions) -> list[str]:
    """`photos/*.jpg` and `metadata.csv` with file_name, area, distance and price.

    price = 2 area − 6 distance + 60 floors + 0.4 (light of the walls − 150) + noise: the rest is in the picture alone.
    """
    (folder / "photos").mkdir(parents=True)
    rows: list[tuple[object, ...]] = [("file_name", "area", "distance", "price")]
    for number in range(options.rows):
        rng = np.random.default_rng([seed, number])
        floors, wall = int(rng.integers(1, MOST_FLOORS + 1)), float(rng.uniform(60, 240))
        area, distance = float(rng.uniform(40, 140)), float(rng.uniform(0, 20))
        price = 2 * area - 6 * distance + 60 * floors + 0.4 * (wall - 150) + rng.normal(0, NOISE)
        name = f"photos/{number:05d}.jpg"
        (folder / name).write_bytes(jpeg(draw_house(options.size, floors, wall, rng)))
        rows.append((name, round(area, 1), round(distance, 1), round(price)))
    with (folder / "metadata.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
    return ["--target", "price"]


def draw_house(size: int, floors: int, wall: float, rng: np.random.Generator) -> np.ndarray:
    """A house of some floors, from 1, with walls of one light, 0 to 255, somewhere before the sky: uint8 `(size, size, 3)`."""
    pixels = np.empty((size, size, 3))
    pixels[:] = np.array(SKY) * rng.uniform(0.7, 1.1)
    ground = round(size * rng.uniform(0.85, 0.95))
    pixels[ground:] = np.array((70, 120, 60)) * rng.uniform(0.6, 1.2)
    floor, wide = size * 0.18, size * rng.uniform(0.4, 0.6)
    left = round(rng.uniform(0, size - wide))
    right, top = round(left + wide), round(ground - floors * floor)
    pixels[max(top, 0) : ground, left:right] = wall * rng.uniform(0.97, 1.03, 3)
    for level in range(floors):
        y = round(ground - (level + 0.75) * floor)
        for x in np.linspace(left, right, 5)[1:-1]:
            pixels[max(y, 0) : round(y + 0.4 * floor), round(x - size * 0.03) : round(x + size * 0.03)] = (30, 40, 60)
    return np.clip(np.rint(pixels + rng.normal(0, 6, pixels.shape)), 0, 255).astype(np.uint8)

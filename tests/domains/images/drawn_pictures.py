"""Small pictures for tests, drawn from numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image


def draw_classes(folder: Path, count: int = 12, side: int = 32, classes: tuple[str, ...] = ("green", "red")) -> Path:
    """`folder/CLASS/NUMBER.png`: noise, with more of one channel for each class."""
    numbers = np.random.default_rng(0)
    for channel, name in enumerate(classes):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            pixels = numbers.integers(0, 120, (side, side, 3), dtype=np.uint8)
            pixels[..., channel % 3] += 100
            Image.fromarray(pixels).save(folder / name / f"{number}.png")
    return folder

"""Reference outputs of picture transforms (see golden/README.md)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

FOLDER = Path(__file__).parent / "golden"
PICTURES = np.load(FOLDER / "pictures.npz")
"""`images` (6, 64, 64, 3) and `wide` (60, 90, 3), uint8."""
ASTRONAUT = 3


def picture(number: int = ASTRONAUT) -> Tensor:
    """One of the six, uint8 `(3, 64, 64)`."""
    return torch.from_numpy(PICTURES["images"][number].transpose(2, 0, 1).copy())


def wide_picture() -> Tensor:
    """uint8 `(3, 60, 90)`."""
    return torch.from_numpy(PICTURES["wide"].transpose(2, 0, 1).copy())


def golden(room: str) -> dict[str, np.ndarray]:
    """The arrays of `resize`, `geometry`, `color` or `timm`."""
    arrays = np.load(FOLDER / "transforms.npz")
    return {name.removeprefix(f"{room}/"): arrays[name] for name in arrays.files if name.startswith(f"{room}/")}


def differs(found: Tensor, wanted: np.ndarray, every: int = 2) -> float:
    """The greatest difference of `(c, h, w)` from `(h, w, c)`, of which every second row and column was kept."""
    array = found.numpy().transpose(1, 2, 0)[::every, ::every].astype(np.float64)
    assert array.shape == wanted.shape
    return float(np.abs(array - wanted).max())

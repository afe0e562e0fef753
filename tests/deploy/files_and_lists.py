"""A table whose columns are lists, texts, pictures and recordings, with small networks, since a large one takes long to be exported."""

from __future__ import annotations

import wave
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

COLUMNS: dict[str, Any] = {
    "bag": "bag",
    "steps": {"type": "sequence", "encoder": "pooled"},
    "size": "vector",
    "heart": {"type": "timeseries", "encoder": {"type": "conv", "depth": 1, "width": 8}},
    "note": {"type": "text", "encoder": "pooled"},
    "picture": {"type": "image", "size": 16, "encoder": {"type": "small_cnn", "widths": [8]}},
    "sound": {"type": "signal", "encoder": "fcn_wang"},
}
WORDS = ["good", "bad", "slow", "fast", "kind"]


def write_table(folder: Path, rows: int) -> pd.DataFrame:
    """The table; its pictures and recordings are written into the folder."""
    draws = np.random.default_rng(0)
    return pd.DataFrame([_row(folder, draws, number) for number in range(rows)])


def _row(folder: Path, draws: np.random.Generator, number: int) -> dict[str, Any]:
    warm, steps = draws.random(), int(draws.integers(1, 5))
    return {
        "bag": draws.choice(["x", "y", "z"], steps).tolist(),
        "steps": draws.choice(["in", "out", "up"], steps).tolist(),
        "size": draws.normal(0, 1, 3).round(2).tolist(),
        "heart": draws.normal(60, 5, steps + 2).round(1).tolist(),
        "note": " ".join(draws.choice(WORDS, steps + 1)),
        "picture": str(_picture(folder / f"{number}.png", draws, warm)),
        "sound": str(_sound(folder / f"{number}.wav", 0.05 + 0.4 * draws.random())),
        "price": round(100 * warm + draws.normal(0, 3), 2),
    }


def _picture(path: Path, draws: np.random.Generator, warm: float) -> Path:
    pixels = draws.integers(0, 60, (20, 24, 3))
    pixels[:10, :, 0] += int(180 * warm)
    Image.fromarray(pixels.astype(np.uint8)).save(path)
    return path


def _sound(path: Path, speed: float) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes((np.sin(np.arange(600) * speed) * 9000).astype("<i2").tobytes())
    return path

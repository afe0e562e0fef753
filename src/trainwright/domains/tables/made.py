"""Made tables whose rule is known."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

ROWS = 600


def write_rings(folder: Path, seed: int) -> list[str]:
    """`rings.csv`: points x, y of two rings around each other, and in `ring` the one they are of; they hardly overlap."""
    rng = np.random.default_rng(seed)
    outer = rng.integers(2, size=ROWS)
    angle, radius = rng.uniform(0, 2 * np.pi, ROWS), 1 + outer + 0.15 * rng.normal(size=ROWS)
    with (folder / "rings.csv").open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["x", "y", "ring"])
        for each, far, turn in zip(outer, radius, angle, strict=True):
            rows.writerow([f"{far * np.cos(turn):.4f}", f"{far * np.sin(turn):.4f}", "outer" if each else "inner"])
    return ["--target", "ring"]

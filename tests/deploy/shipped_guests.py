"""Guests of a hotel, as rows, and what was shipped of a run: data and types that tests of several files share."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

ROWS = 300
QUICK: dict[str, Any] = {
    "model": {"combiner": {"type": "concat", "depth": 1, "width": 16}},
    "trainer": {"max_epochs": 2, "batch_size": 64, "trackers": ["csv"]},
    "evaluation": {"baselines": [], "importance": False, "report": False},
}


@dataclass(frozen=True)
class Shipped:
    """A run, and the folder that it was exported to as ONNX."""

    run: Any
    folder: Path
    exported: list[str]
    """Names of the files that the export said it wrote."""

    @property
    def file(self) -> Path:
        """The ONNX file."""
        return self.folder / "model.onnx"


@dataclass(frozen=True)
class ShippedFiles(Shipped):
    """The same, and the rows that it was trained on."""

    rows: pd.DataFrame


def guests(rows: int = ROWS, seed: int = 0) -> dict[str, Any]:
    """Numbers, words in several spellings, lists of words and dates, with missing ones; `stays` and `spends` follow from them, mostly."""
    random = np.random.default_rng(seed)
    age, fare = random.normal(40, 12, rows).round(1), random.exponential(30, rows).round(2)
    member = random.choice(["yes", "no"], rows)
    chance = age / 40 + np.where(member == "yes", 1.0, -1.0) + random.normal(0, 0.5, rows)
    return {
        "age": [None if row % 11 == 5 else float(each) for row, each in enumerate(age)],
        "fare": fare.tolist(),
        "member": member.tolist(),
        "port": [None if row % 13 == 2 else str(each) for row, each in enumerate(random.choice(["Köln", "Bari", "Split"], rows))],
        "likes": ["|".join(random.choice(["sea", "sun", "food"], random.integers(1, 4), replace=False)) for _ in range(rows)],
        "since": [f"20{10 + row % 14}-{1 + row % 12:02d}-{1 + row % 28:02d}" for row in range(rows)],
        "stays": np.where(chance > 1, "long", "short").tolist(),
        "spends": (fare * 2 + age).round(2).tolist(),
    }

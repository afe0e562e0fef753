"""Small tables, and a configuration that trains on them in a second."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as csv

QUICK: dict[str, Any] = {
    "model": {"combiner": {"type": "concat", "depth": 1, "width": 16}},
    "trainer": {"max_epochs": 4, "batch_size": 32, "trackers": ["csv"]},
    "evaluation": {"baselines": [], "importance": False, "report": False},
}


def passengers(rows: int = 240, seed: int = 0) -> dict[str, np.ndarray]:
    """Columns of several types, with missing values, and a target that follows from them, mostly."""
    random = np.random.default_rng(seed)
    sex, age = random.choice(["female", "male"], rows), random.normal(35, 12, rows).round(1)
    fare, port = random.exponential(30, rows).round(2), random.choice(["C", "Q", "S"], rows)
    lived = (np.where(sex == "female", 1.2, -1.0) + fare / 60 + random.normal(0, 0.6, rows) > 0).astype(np.int64)
    age[random.random(rows) < 0.15] = np.nan
    return {"sex": sex, "age": age, "fare": fare, "port": port, "survived": lived}


def write_csv(path: Path, columns: dict[str, np.ndarray]) -> Path:
    """The columns as a CSV file, missing numbers as empty fields."""
    table = pa.table({name: pa.array(values, from_pandas=True) for name, values in columns.items()})
    csv.write_csv(table, path)
    return path

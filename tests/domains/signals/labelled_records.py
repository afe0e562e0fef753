"""WFDB records with several labels each, in a table beside an age and a sex, and a quick training of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from trainwright.domains.signals.reading.write import write_record

RATE = 100
LABELS = {"slow": 3.0, "fast": 12.0, "high": 25.0}
"""Label → the frequency that a record with it has."""


def write_labelled(folder: Path, count: int = 24, leads: tuple[str, ...] = ("I", "II", "V1"), seconds: float = 2.0) -> Path:
    """A table of records with waves of their labels, one to three each."""
    rng, lines = np.random.default_rng(0), ["record,labels,age,sex"]
    time = np.arange(round(seconds * RATE)) / RATE
    for row in range(count):
        names = [name for place, name in enumerate(LABELS) if (row % 7 + 1) >> place & 1]
        wave = sum((np.sin(2 * np.pi * LABELS[name] * time) for name in names), np.zeros_like(time))
        values = wave + 0.1 * rng.normal(size=(len(leads), len(time)))
        write_record(folder, f"r{row}", values, RATE, list(leads))
        lines.append(f"r{row},{' '.join(names)},{20 + row},{'male' if row % 3 else 'female'}")
    (folder / "records.csv").write_text("\n".join(lines) + "\n")
    return folder / "records.csv"


def config_of(table: Path, transform: list[Any], data: dict[str, Any] | None = None, **trainer: Any) -> dict[str, Any]:
    """A quick run on such a table: one column of recordings, and the set of their labels as target."""
    return {
        "data": {"source": str(table), "cache": "off", **(data or {})},
        "targets": ["labels"],
        "inputs": ["record", "age", "sex"],
        "columns": {
            "record": {"type": "signal", "transform": transform, "encoder": {"type": "small_resnet1d"}},
            "labels": {"type": "set"},
        },
        "trainer": {"max_epochs": 1, "batch_size": 8, **trainer},
        "evaluation": {"baselines": [], "importance": False, "report": False},
        "run": {"device": "cpu"},
    }

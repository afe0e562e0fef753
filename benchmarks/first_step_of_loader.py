"""How long a person's own DataLoader over two million rows lets the first step wait, begun and continued.

    python -m benchmarks.first_step_of_loader [--rows 2000000]

Seconds from the call of `tw.fit` (or of the run that is continued) to its first batch, beside those of `next(iter(loader))` by hand, in one
process after torch was imported. The bar is 2 s. `own` is a sampler written in Python, which is gone through row by row.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.utils.data import DataLoader, Sampler, SubsetRandomSampler, TensorDataset, WeightedRandomSampler

import trainwright as tw

BATCH = 256


class Own(Sampler[int]):
    """Every second row, then the others."""

    def __init__(self, rows: int) -> None:
        self.rows = rows

    def __len__(self) -> int:
        return self.rows

    def __iter__(self) -> Iterator[int]:
        for start in (0, 1):
            yield from range(start, self.rows, 2)


def loaders(rows: int) -> dict[str, Callable[[], DataLoader[Any]]]:
    """Loaders over the same rows, each with another sampler."""
    x = torch.randn(rows, 8, generator=torch.Generator().manual_seed(0))
    data = TensorDataset(x, (x[:, 0] > 0).long())
    weights = torch.rand(rows, generator=torch.Generator().manual_seed(1))
    return {
        "shuffled": lambda: DataLoader(data, batch_size=BATCH, shuffle=True),
        "in order": lambda: DataLoader(data, batch_size=BATCH, drop_last=True),
        "subset": lambda: DataLoader(data, batch_size=BATCH, sampler=SubsetRandomSampler(range(0, rows, 2))),
        "weighted": lambda: DataLoader(data, batch_size=BATCH, sampler=WeightedRandomSampler(weights, rows)),
        "own": lambda: DataLoader(data, batch_size=BATCH, sampler=Own(rows)),
    }


class First(tw.Callback):
    """When the first batch came."""

    def __init__(self) -> None:
        self.at = 0.0

    def on_train_batch_start(self, session: Any, system: Any, batch: Any, index: int) -> None:
        """Note the time, once."""
        self.at = self.at or time.perf_counter()


def seconds_to_first_step(loader: DataLoader[Any], folder: Path, steps: int, resume: bool = False) -> float:
    """From the call to the first batch."""
    torch.manual_seed(0)
    first, begun = First(), time.perf_counter()
    tw.fit(nn.Linear(8, 2), loader, max_steps=steps, run_dir=folder, resume=resume, callbacks=[first], console=False)
    return first.at - begun


def main() -> None:
    """Print them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=2_000_000)
    rows = parser.parse_args().rows
    made = loaders(1000)["in order"]()
    with tempfile.TemporaryDirectory() as folder:
        seconds_to_first_step(made, Path(folder) / "imports", 1)
        for name, loader in loaders(rows).items():
            begun = time.perf_counter()
            next(iter(loader()))
            by_hand = time.perf_counter() - begun
            first = seconds_to_first_step(loader(), Path(folder) / name, 3)
            again = seconds_to_first_step(loader(), Path(folder) / name, 6, resume=True)
            print(f"  {rows:,} rows, {name:9} first step after {first:.2f} s, continued {again:.2f} s (bar 2); by hand {by_hand:.2f} s")


if __name__ == "__main__":
    main()

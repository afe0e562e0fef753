"""Datasets that worker processes can hold, with randomness of every kind, and the runs that read them."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from engine_runs import config, system
from torch.utils.data import Dataset

from trainwright.data.dataset_rows import DatasetRows
from trainwright.engine.callbacks import Callback
from trainwright.engine.result import FitResult
from trainwright.engine.trainer import Trainer
from trainwright.systems.plain import PlainSystem

ROWS = 43


class Augmented(Dataset[Any]):
    """Each sample is moved by torch's, Python's and numpy's generators, and by the epoch."""

    def __init__(self, n: int = ROWS) -> None:
        self.x = np.random.default_rng(0).normal(size=(n, 5)).astype(np.float32)
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, row: int) -> tuple[torch.Tensor, int]:
        noise = torch.randn(5) * 0.1 + random.gauss(0, 0.1) + float(np.random.normal(0, 0.1)) + 0.01 * self.epoch
        return torch.from_numpy(self.x[row]) + noise, int(self.x[row, 0] > 0)


class Slow(Augmented):
    """Rows take long enough for a signal to come while they are read."""

    def __getitem__(self, row: int) -> tuple[torch.Tensor, int]:
        time.sleep(0.004)
        return super().__getitem__(row)


class InBulk(Augmented):
    def __getitems__(self, rows: list[int]) -> list[tuple[torch.Tensor, int]]:
        return [self[row] for row in rows]


class Faulty(Augmented):
    """Row 11 cannot be read."""

    def __getitem__(self, row: int) -> tuple[torch.Tensor, int]:
        if row == 11:
            raise OSError("the image is truncated")
        return super().__getitem__(row)


class Hanging(Augmented):
    """Row 11 takes for ever."""

    def __getitem__(self, row: int) -> tuple[torch.Tensor, int]:
        if row == 11:
            time.sleep(3600)
        return super().__getitem__(row)


class Dying(Augmented):
    """The process that reads row 11 dies, as often as there are files to take away."""

    def __init__(self, deaths: Path, number: int) -> None:
        super().__init__()
        self.deaths = deaths
        deaths.mkdir(exist_ok=True)
        for each in range(number):
            (deaths / str(each)).touch()

    def __getitem__(self, row: int) -> tuple[torch.Tensor, int]:
        left = sorted(self.deaths.iterdir()) if row == 11 else []
        if left:
            left[0].unlink()
            os.kill(os.getpid(), 9)
        return super().__getitem__(row)


class WithALambda(Augmented):
    def __init__(self) -> None:
        super().__init__()
        self.transforms = [abs, lambda x: x]


def rows(dataset: Any) -> DatasetRows:
    return DatasetRows(dataset, ["input", "target"])


def decoded(
    folder: Path,
    workers: int,
    dataset: Any = None,
    *,
    resume: bool = False,
    callbacks: Sequence[Callback] = (),
    loader: dict[str, Any] | None = None,
    validated: bool = True,
    **options: Any,
) -> tuple[PlainSystem, FitResult]:
    """Train on a dataset with so many workers."""
    settings = config(loader={"workers": workers, **(loader or {})}, evaluation_batch_size=8, **options)
    trained = system()
    trainer = Trainer(settings, seed=3, device="cpu", callbacks=callbacks, console=False)
    validation = rows(Augmented(20)) if validated else None
    given = rows(Augmented() if dataset is None else dataset)
    return trained, trainer.fit(trained, given, validation, run=folder, resume=resume)

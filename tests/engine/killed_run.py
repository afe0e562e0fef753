"""What a process of the kill test does: a `tw.fit` that a signal may end at any moment. Imported once by the fork server."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

import torch
from torch import nn

import trainwright as tw
from trainwright.api import fit as loaded_here  # noqa: F401  (so that forked processes need not import it)
from trainwright.config.errors import Interrupted
from trainwright.engine.callbacks import Callback

OPTIONS: dict[str, Any] = {
    "max_epochs": 8,
    "batch_size": 16,
    "evaluate_every": "9 steps",
    "log_every": "4 steps",
    "checkpoint": {"every": "5 steps", "min_interval": "0 s", "keep_best": 2},
    "early_stopping": {"patience": 9},
    "schedule": {"type": "plateau", "patience": 3, "factor": 0.5},
    "optimizer": {"type": "adamw", "learning_rate": 0.02},
    "clip": {"norm": 1.0},
    "trackers": ["csv"],
}


def train(folder: str, **more: Any) -> Any:
    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(300, 6, generator=generator)
    y = (x[:, 0] * x[:, 1] + 0.3 * torch.randn(300, generator=generator) > 0).long()
    torch.manual_seed(1)
    model = nn.Sequential(nn.Linear(6, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.1), nn.Linear(16, 2))
    split = {"validation": (x[200:250], y[200:250]), "test": (x[250:], y[250:])}
    return tw.fit(
        model, (x[:200], y[:200]), **split, run_dir=folder, resume=Path(folder).exists(), console=False, seed=5, **OPTIONS, **more
    )


class Slow(Callback):
    """A step that takes long, so that signals meet it."""

    def on_train_batch_end(self, session: Any, *_: Any) -> None:
        if session.step == 30:
            Path(session.parts.saver.store.folder, "slow").touch()
            for _ in range(100):
                time.sleep(0.1)
                if session.parts.interrupts.requested and not self.stubborn:
                    return

    def __init__(self, stubborn: bool) -> None:
        self.stubborn = stubborn


def process(folder: str, slow: bool = False, stubborn: bool = False) -> None:
    """Train, quietly; the exit code says how it ended."""
    error = open(Path(folder).with_suffix(".stderr"), "a")  # noqa: SIM115
    os.dup2(error.fileno(), 2)
    try:
        train(folder, callbacks=[Slow(stubborn)] if slow else [])
    except Interrupted as interrupted:
        sys.stderr.write(str(interrupted))
        sys.exit(interrupted.exit_code)

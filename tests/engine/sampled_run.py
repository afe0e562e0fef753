"""What a process of the kill test of samples does: a run that is killed, perhaps in the middle of its samples."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

import trainwright as tw
from trainwright.data.rows import TensorRows
from trainwright.engine.config import TrainerConfig
from trainwright.engine.trainer import Trainer
from trainwright.parallel.world import World

OPTIONS: dict[str, Any] = {"batch_size": 8, "max_epochs": 4, "log_every": "3 steps", "trackers": ["csv"], "early_stopping": None}
OPTIONS |= {"ema": 0.9, "checkpoint": {"every": "5 steps", "min_interval": "0 s"}}


class Painter(tw.System):
    """Makes pictures of 4 × 4 from noise; it draws in its steps too, and has a norm whose running means a forward pass changes."""

    def __init__(self, killed_at: int = 0, norm: bool = True) -> None:
        super().__init__()
        self.killed_at = killed_at
        torch.manual_seed(1)
        middle = [nn.BatchNorm1d(16)] if norm else []
        self.net = nn.Sequential(nn.Linear(3, 16), *middle, nn.ReLU(), nn.Dropout(0.1), nn.Linear(16, 16), nn.Sigmoid())
        self.seen: list[tuple[bool, bool]] = []

    def training_step(self, batch: Any, context: Any) -> Tensor:
        noise = torch.randn(len(batch["x"]), 3)
        return (self.net(noise) - batch["x"]).square().mean()

    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        self.seen.append((self.training, torch.is_grad_enabled()))
        self.log("made", float(n))
        if self.killed_at and self.session.step == self.killed_at:
            os.kill(os.getpid(), signal.SIGKILL)
        made: Tensor = self.net(torch.randn(n, 3, generator=generator, device=generator.device))
        return made.reshape(n, 1, 4, 4)


def rows(n: int) -> TensorRows:
    return TensorRows({"x": torch.rand(n, 16, generator=torch.Generator().manual_seed(n))})


def fit(
    folder: Path, system: tw.System | None = None, resume: bool = False, callbacks: Any = (), world: World | None = None, **options: Any
) -> tw.System:
    """Train in `folder`; `held` validation rows."""
    system, held = system or Painter(), options.pop("held", 20)
    config = TrainerConfig.model_validate(OPTIONS | options)
    trainer = Trainer(config, seed=3, device="cpu", callbacks=callbacks, console=False, world=world)
    trainer.fit(system, rows(43), rows(held) if held else None, run=folder, resume=resume)
    return system


def process(folder: str, killed_at: int = 0) -> None:
    """Train, or go on."""
    torch.set_num_threads(1)
    fit(Path(folder), Painter(killed_at), resume=Path(folder).exists(), sampling="3 steps")

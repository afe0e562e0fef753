"""A small real run that the engine's tests start, stop and continue."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from trainwright.data.rows import TensorRows
from trainwright.engine.callbacks import Callback
from trainwright.engine.config import TrainerConfig
from trainwright.engine.result import FitResult
from trainwright.engine.trainer import Trainer
from trainwright.systems.plain import PlainSystem
from trainwright.tracking.csv import read_rows

WALL_CLOCK = {"seconds", "samples_per_second"}


def rows(n: int, seed: int = 0) -> TensorRows:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(n, 5, generator=generator)
    return TensorRows({"input": x, "target": (x[:, 0] + x[:, 1] * x[:, 2] > 0).long()})


def system(loss: Any = "cross_entropy", width: int = 8, dropout: float = 0.2, norm: bool = False) -> PlainSystem:
    generator_state = torch.get_rng_state()
    torch.manual_seed(7)
    layers = [nn.Linear(5, width), *([nn.BatchNorm1d(width)] if norm else []), nn.ReLU(), nn.Dropout(dropout), nn.Linear(width, 2)]
    made = PlainSystem(nn.Sequential(*layers), ["input"], loss, None)
    torch.set_rng_state(generator_state)
    return made


def config(**options: Any) -> TrainerConfig:
    given = {"batch_size": 8, "max_epochs": 4, "log_every": "3 steps", "trackers": ["csv"], "early_stopping": None}
    return TrainerConfig.model_validate(given | options)


def fit(
    folder: Path,
    *,
    trained: PlainSystem | None = None,
    resume: bool = False,
    callbacks: Sequence[Callback] = (),
    train_rows: int = 43,
    validation_rows: int = 20,
    seed: int = 3,
    named: Sequence[Any] = (),
    **options: Any,
) -> tuple[PlainSystem, FitResult]:
    """`named`: callbacks as a configuration names them, `callbacks` those that a program gives."""
    trained = system() if trained is None else trained
    trainer = Trainer(
        config(**options, **({"callbacks": list(named)} if named else {})), seed=seed, device="cpu", callbacks=callbacks, console=False
    )
    validation = rows(validation_rows, seed=1) if validation_rows else None
    return trained, trainer.fit(trained, rows(train_rows), validation, run=folder, resume=resume)


def weights(trained: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in trained.state_dict().items()}


def same(first: dict[str, Tensor], second: dict[str, Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def table(folder: Path) -> list[dict[str, str]]:
    """The rows of metrics.csv as text, so that equal means equal to the bit; wall-clock columns aside."""
    return [{name: repr(value) for name, value in row.items() if name not in WALL_CLOCK} for row in read_rows(folder / "metrics.csv")]


class StopAt(Callback):
    """Asks for what a signal asks for, after step k."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_train_batch_end(self, session: Any, system: Any, batch: Any, index: int) -> None:
        if session.step == self.step:
            session.parts.interrupts.request()

"""A system whose steps need nothing of other ranks: each row of its weights has a loss of its own, so ranks may hold some rows each.

It stands for a model that is dealt out over ranks, as far as saving and loading see it; its steps are the same to the bit however it is.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import trainwright as tw
from trainwright.data.rows import TensorRows
from trainwright.engine import opening
from trainwright.engine.config import TrainerConfig
from trainwright.engine.saving import writing
from trainwright.engine.trainer import Trainer
from trainwright.parallel.strategies.base import Shard, Strategy
from trainwright.parallel.world import World

WHOLE = (7, 3)
OPTIONS: dict[str, Any] = {
    "batch_size": 8,
    "max_epochs": 6,
    "evaluate_every": "4 steps",
    "log_every": "3 steps",
    "trackers": ["csv"],
    "early_stopping": None,
    "ema": 0.5,
    "monitor": "error",
    "mode": "min",
    "checkpoint": {"every": "3 steps", "min_interval": "0 s", "keep_best": 2, "best_as_weights": True, "weights_every": "10 steps"},
}


def bounds(rank: int, size: int) -> tuple[int, int]:
    """First row of a rank and the one after its last, as torch deals rows: the last ranks may have none."""
    chunk = -(-WHOLE[0] // size)
    return min(rank * chunk, WHOLE[0]), min((rank + 1) * chunk, WHOLE[0])


class Separable(tw.System):
    """Weights (7 x 3), of which a rank holds some rows, and a bias that all have."""

    def __init__(self, start: int, end: int) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.start, self.end = start, end
        self.w = nn.Parameter(torch.randn(WHOLE, generator=generator)[start:end].clone())
        self.b = nn.Parameter(torch.zeros(3))
        self.register_buffer("seen", torch.zeros(()))

    def training_step(self, batch: dict[str, Tensor], context: Any) -> Tensor:
        self.seen += 1
        x = batch["input"].mean(0)
        return ((self.w - x[self.start : self.end, None]) ** 4).sum() + ((self.b - x[:3]) ** 2).sum()

    def evaluation_step(self, batch: dict[str, Tensor], context: Any) -> dict[str, Tensor]:
        return {"error": ((self.b - batch["input"][:, :3]) ** 2).sum(1)}

    def metrics(self, outputs: dict[str, Tensor], *more: Any) -> dict[str, float]:
        return {"error": float(outputs["error"].mean())}


class ByRows(Strategy):
    """Ranks hold rows of `w` each."""

    name = "fsdp"

    def shard_of(self, name: str, tensor: Tensor) -> Shard | None:
        return Shard(WHOLE, (bounds(self.world.rank, self.world.size)[0], 0)) if name == "w" else None


def rows(n: int, seed: int) -> TensorRows:
    return TensorRows({"input": torch.randn(n, 7, generator=torch.Generator().manual_seed(seed))})


def train(world: World, folder: Path, callbacks: list[Any] = [], **options: Any) -> Separable:  # noqa: B006
    """Begin or go on in `folder`, in the background as large states are saved; the system as it ended."""
    system = Separable(*bounds(world.rank, world.size))
    config = TrainerConfig.model_validate(OPTIONS | options)
    trainer = Trainer(config, seed=3, device="cpu", console=False, world=world, callbacks=callbacks)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(opening, "make_strategy", lambda given, world: (ByRows if world.size > 1 else Strategy)(world))
        patch.setattr(writing, "SMALL", 0)
        trainer.fit(system, rows(40, 0), rows(20, 1), run=folder, resume=True)
    return system


def state_of(system: Separable) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in system.state_dict().items()}


def joined(parts: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    """The weights of all ranks put together; what all have must be the same."""
    for name in ("b", "seen"):
        assert all(torch.equal(each[name], parts[0][name]) for each in parts), name
    return parts[0] | {"w": torch.cat([each["w"] for each in parts])}

"""Two processes prune the same weights as one, draw the same masks, and continue with them; strategies that deal weights are refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from forked_ranks import on_ranks
from torch import Tensor, nn

from trainwright.config.errors import ConfigError
from trainwright.data.rows import TensorRows
from trainwright.engine.config import TrainerConfig
from trainwright.engine.trainer import Trainer
from trainwright.parallel.world import World
from trainwright.systems.plain import PlainSystem

CUBIC = {"type": "pruning", "method": {"type": "global_l1", "amount": 0.75}, "schedule": "cubic", "every": "2 steps"}
RANDOM = {**CUBIC, "method": {"type": "random", "amount": 0.5}}


def rows() -> TensorRows:
    x = torch.randn(40, 5, generator=torch.Generator().manual_seed(0))
    return TensorRows({"input": x, "target": (x[:, 0] > 0).long()})


def fit(
    world: World | None, folder: Path, pruning: dict[str, Any], epochs: int = 2, resume: bool = False, **options: Any
) -> dict[str, Tensor]:
    torch.manual_seed(7)
    system = PlainSystem(nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.Linear(8, 2)), ["input"], "cross_entropy", None)
    given = {
        "batch_size": 8,
        "micro_batch_size": 4,
        "max_epochs": epochs,
        "early_stopping": None,
        "trackers": ["csv"],
        "callbacks": [pruning],
    }
    config = TrainerConfig.model_validate(given | options)
    trainer = Trainer(config, seed=3, device="cpu", console=False, world=world)
    trainer.fit(system, rows(), run=folder, resume=resume)
    return {name: each.detach().clone() for name, each in system.state_dict().items()}


def on_rank(world: Any, folder: Path) -> dict[str, Any]:
    world.first(lambda: (folder / "runs").mkdir())
    world.barrier()
    runs = folder / "runs"
    found: dict[str, Any] = {"ddp": fit(world, runs / "ddp", CUBIC), "random": fit(world, runs / "random", RANDOM)}
    found["zero"] = fit(world, runs / "zero", CUBIC, strategy="zero")
    fixed = {**CUBIC, "start": "1 steps", "end": "4 steps"}
    found["whole"] = fit(world, runs / "whole", fixed)
    fit(world, runs / "part", fixed, epochs=1)
    found["continued"] = fit(world, runs / "part", fixed, resume=True)
    try:
        fit(world, runs / "fsdp", CUBIC, strategy="fsdp")
    except ConfigError as error:
        found["fsdp"] = str(error)
    return found


@pytest.fixture(scope="module")
def ranks(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], dict[str, Any], Path]:
    folder = tmp_path_factory.mktemp("pruned")
    first, second = on_ranks(folder, on_rank)
    return first, second, folder / "runs"


def test_ranks_have_one_model_with_exact_counts(ranks: Any, tmp_path: Path) -> None:
    first, second, runs = ranks
    alone = fit(None, tmp_path / "alone", CUBIC)
    for kind in ("ddp", "zero", "random", "whole"):
        assert all(torch.equal(first[kind][name], second[kind][name]) for name in alone)
        found = json.loads((runs / kind / "pruning.json").read_text())
        assert found["pruned"] == (28 if kind == "random" else 42) == sum(layer["zeros"] for layer in found["layers"])
    for kind in ("ddp", "zero"):
        assert all(torch.equal(alone[name] == 0, first[kind][name] == 0) for name in alone)
        assert all(torch.allclose(alone[name], first[kind][name], atol=1e-5) for name in alone)


def test_masks_go_on_with_a_run_of_several_ranks(ranks: Any) -> None:
    assert all(torch.equal(first["continued"][name], first["whole"][name]) for first in ranks[:2] for name in first["whole"])


def test_strategies_that_deal_weights_are_refused(ranks: Any) -> None:
    assert all("use ddp or zero" in each["fsdp"] for each in ranks[:2])

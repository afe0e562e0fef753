"""A run of several processes is the run of one: the same rows, gradients, logs and metrics. Real processes over gloo."""

from __future__ import annotations

import math
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
from forked_ranks import on_ranks
from torch import Tensor, nn

import trainwright as tw
from trainwright.data.rows import TensorRows
from trainwright.engine.callbacks import Callback
from trainwright.engine.config import TrainerConfig
from trainwright.engine.trainer import Trainer
from trainwright.parallel.world import World
from trainwright.systems.plain import PlainSystem

ROWS, BATCH, STEPS = 43, 12, 8
FEW = {"evaluate_every": "1 run", "strategy": "ddp", "sanity_check": 0}
"""As little as can be beside the steps."""


def rows(n: int, seed: int) -> TensorRows:
    x = torch.randn(n, 5, generator=torch.Generator().manual_seed(seed))
    return TensorRows({"input": x, "target": (x[:, 0] > 0).long(), "id": torch.arange(n)})


def network(dropout: float = 0.3, seed: int = 7) -> PlainSystem:
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(5, 16), nn.ReLU(), nn.Dropout(dropout), nn.Linear(16, 2))
    return PlainSystem(model, ["input"], "cross_entropy", ["accuracy", "f1", "roc_auc"])


class Tokens(tw.System):
    """A loss over as many items as each row has, some of them none; it logs, and draws in its step."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.net = nn.Linear(5, 4)

    def training_step(self, batch: Any, context: Any) -> tw.Loss:
        counts = batch["id"] % 3
        noise = torch.randn(len(counts), 4, generator=context.generator)
        each = ((self.net(batch["input"]) + 0.1 * noise) ** 2).sum(1) * counts
        self.log("items", float(counts.sum()), reduce="sum")
        return tw.Loss(each.sum(), counts.sum(), outputs={"seen": batch["id"].float()})

    def evaluation_step(self, batch: Any, context: Any) -> dict[str, Tensor]:
        self.log("largest", self.net(batch["input"]).max())
        return {"loss": (self.net(batch["input"]) ** 2).mean(1)}


class Seen(Callback):
    """The ids of the rows of each step."""

    every_rank = True

    def __init__(self) -> None:
        self.ids: list[list[int]] = []
        self.hashes: list[float] = []

    def on_train_batch_start(self, session: Any, system: Any, batch: Any, index: int) -> None:
        share = session.parts.dealer.share_of(session.plan, session.plan.bounds(index)[1] - session.plan.bounds(index)[0])
        self.ids.append(batch["id"].tolist() if share.real else [])

    def on_train_batch_end(self, session: Any, system: Any, batch: Any, index: int) -> None:
        self.hashes.append(math.fsum(float(each.detach().double().sum()) for each in system.parameters()))


def fit(world: World, folder: Path, system: Any = None, **options: Any) -> dict[str, Any]:
    given = {"batch_size": BATCH, "max_steps": STEPS, "log_every": "3 steps", "evaluate_every": "4 steps", "trackers": ["csv"]}
    given |= {"early_stopping": None, "evaluation_batch_size": 7, "strategy": {"reduce": "ordered"}}
    resume, validation = options.pop("resume", False), rows(101, 1) if options.pop("validated", True) else None
    seen, system = Seen(), network() if system is None else system
    config = TrainerConfig.model_validate(given | options)
    trainer = Trainer(config, seed=3, device="cpu", callbacks=[seen], console=False, world=world)
    result = trainer.fit(system, rows(ROWS, 0), validation, run=folder, resume=resume)
    history = [{name: value for name, value in row.items() if name not in ("seconds", "samples_per_second")} for row in result.history]
    found = {"ids": seen.ids, "hashes": seen.hashes, "history": history, "metrics": result.metrics}
    return found | {"weights": {name: tensor.clone() for name, tensor in system.state_dict().items()}}


def same_bits(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("size", [2, 3, 4])
def test_ranks_are_micro_batches_to_the_last_bit_where_sums_are_ordered(size: int, one_thread: None, tmp_path: Path) -> None:
    def work(world: World, folder: Path) -> Any:
        own = {} if size == 4 else {"own": fit(world, folder / "own", Tokens())}
        rounds = {"rounds": fit(world, folder / "rounds", micro_batch_size=2)} if size == 2 else {}
        return {"run": fit(world, folder / "run")} | own | rounds

    alone = {"run": fit(World(), tmp_path / "run", accumulation=size)}
    if size < 4:
        alone["own"] = fit(World(), tmp_path / "own", Tokens(), accumulation=size)
    if size == 2:
        alone["rounds"] = fit(World(), tmp_path / "rounds", micro_batch_size=2)
    found = on_ranks(tmp_path / "ranks", work, size)
    for name, expected in alone.items():
        for rank in found:
            assert rank[name]["hashes"] == expected["hashes"], name
            assert same_bits(rank[name]["weights"], expected["weights"]), name
            assert rank[name]["metrics"] == expected["metrics"], name
        assert found[0][name]["history"] == expected["history"], name
        for place, ids in enumerate(expected["ids"]):
            assert sorted(each for rank in found for each in rank[name]["ids"][place]) == sorted(ids)


def test_one_exchange_is_one_batch_up_to_rounding(tmp_path: Path) -> None:
    def work(world: World, folder: Path) -> Any:
        found = {"run": fit(world, folder / "run", network(0.0), strategy="ddp")}
        return found | {"own": fit(world, folder / "own", Tokens(), strategy="ddp", optimizer={"type": "sgd", "learning_rate": 0.01})}

    found = on_ranks(tmp_path / "ranks", work, 2)
    alone = {"run": fit(World(), tmp_path / "run", network(0.0))}
    for name, expected in alone.items():
        for key, tensor in expected["weights"].items():
            assert torch.allclose(found[0][name]["weights"][key], tensor, rtol=0, atol=1e-6)
        assert same_bits(found[0][name]["weights"], found[1][name]["weights"])
        for mine, theirs in zip(found[0][name]["history"], expected["history"], strict=True):
            assert mine == pytest.approx(theirs, rel=1e-6)


def test_a_run_goes_on_at_any_number_of_ranks(tmp_path: Path, one_thread: None) -> None:
    """Steps 1 to 3 by two, 4 and 5 by one, 6 and 7 by three, the last by two: as one process would have made them."""

    def part(world: World, folder: Path) -> Any:
        place = tmp_path / "run"
        return fit(world, place, network(0.0), resume=folder.name != "3", max_steps=int(folder.name), validated=False)

    expected = fit(World(), tmp_path / "alone", network(0.0), validated=False)
    on_ranks(tmp_path / "3", part, 2)
    part(World(), tmp_path / "5")
    on_ranks(tmp_path / "7", part, 3)
    found = on_ranks(tmp_path / "8", part, 2)[0]
    for key, tensor in expected["weights"].items():
        assert torch.allclose(found["weights"][key], tensor, rtol=0, atol=1e-6)


def test_an_ordinary_step_has_one_exchange(tmp_path: Path) -> None:
    def work(world: World, folder: Path) -> list[int]:
        calls: list[str] = []
        for name in ("all_reduce", "all_gather", "broadcast", "all_gather_object", "broadcast_object_list", "barrier"):
            setattr(dist, name, partial(counted, calls, name, getattr(dist, name)))
        found = []
        for batch in (20, 2):
            calls.clear()
            fit(
                world, folder / str(batch), network(0.0), validated=False, batch_size=batch, max_steps=40 // batch, log_every="1 run", **FEW
            )
            found.append(len(calls))
        return found

    first, second = on_ranks(tmp_path, work)[0]
    assert second - first == 18  # twenty steps and two: what is told at the beginning and the end is the same


def counted(calls: list[str], name: str, call: Any, /, *arguments: Any, **options: Any) -> Any:
    calls.append(name)
    return call(*arguments, **options)

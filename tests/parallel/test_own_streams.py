"""Two processes that read shares of their own, of unequal length: nobody hangs, and what is minimised stays the mean over all items."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from forked_ranks import on_ranks
from torch import Tensor, nn

from trainwright.config.errors import ConfigError, DataError
from trainwright.data.forms import rows_from
from trainwright.engine.config import TrainerConfig
from trainwright.engine.trainer import Trainer
from trainwright.parallel.distributed import DistributedWorld
from trainwright.parallel.world import World
from trainwright.systems.plain import PlainSystem

SHARES = (6, 4)
"""Batches of each process."""
Batch = dict[str, Tensor]


def batch(rank: int, number: int) -> Batch:
    made = torch.Generator().manual_seed(100 * rank + number)
    x = torch.randn(3 + (rank + number) % 3, 5, generator=made)  # batches of three to five rows
    return {"input": x, "target": (x[:, 0] > 0).long()}


def shares(rank: int) -> list[Batch]:
    return [batch(rank, number) for number in range(SHARES[rank])]


def put_together(batches: list[Batch]) -> Batch:
    return {name: torch.cat([each[name] for each in batches]) for name in batches[0]}


def joined(steps: int) -> list[Batch]:
    """What both have for each step, as one process would be given it."""
    found = [[each[number] for each in map(shares, range(2)) if number < len(each)] for number in range(steps)]
    return [put_together(each) for each in found]


def generator(batches: list[Batch]) -> Iterator[Batch]:
    yield from batches


class Again:
    """Batches that are gone through in order, as often as is asked, and that nothing says the number of."""

    def __init__(self, batches: list[Batch]) -> None:
        self.batches = batches

    def __iter__(self) -> Iterator[Batch]:
        return iter(self.batches)


def fit(world: World, folder: Path, data: Any, accumulation: int = 1, **options: Any) -> dict[str, Any]:
    config = {"trackers": ["csv"], "early_stopping": None, "log_every": "1 steps", "optimizer": {"type": "sgd", "learning_rate": 0.1}}
    config |= {"sanity_check": 0, "accumulation": accumulation} | options
    data = Again(data) if isinstance(data, list) else data
    rows = rows_from(data, "train", torch.float32, batched=True, max_steps=config.get("max_steps"))
    trainer = Trainer(TrainerConfig.model_validate(config), seed=3, device="cpu", console=False, world=world)
    torch.manual_seed(7)
    system = PlainSystem(nn.Sequential(nn.Linear(5, 8), nn.Tanh(), nn.Linear(8, 2)), ["input"], "cross_entropy", None)
    result = trainer.fit(system, rows, run=folder)
    losses = [row["train/loss"] for row in result.history if "train/loss" in row]
    return {"steps": result.steps, "because": result.stopped_because, "weights": system.state_dict(), "losses": losses}


def own(policy: str = "continue", **more: Any) -> dict[str, Any]:
    return {"strategy": {"streams": "own", "uneven": policy} | more}


def refused(act: Any) -> str:
    try:
        act()
    except (DataError, ConfigError) as error:
        return str(error)
    return ""


def on_rank(world: DistributedWorld, folder: Path) -> dict[str, Any]:
    runs, mine = folder / "runs", shares(world.rank)
    world.first(runs.mkdir)
    long = {"max_steps": 20}
    found: dict[str, Any] = {
        "generator": fit(world, runs / "a", generator(mine), **long, **own()),
        "generator, stop": fit(world, runs / "b", generator(mine), **long, **own("stop")),
        "list": fit(world, runs / "c", mine, max_epochs=2, **own()),
        "list, stop": fit(world, runs / "d", mine, max_epochs=2, **own("stop")),
        "list, ordered": fit(world, runs / "e", mine, max_epochs=2, **own(reduce="ordered")),
        "list, fsdp": fit(world, runs / "f", mine, max_epochs=2, **own(type="fsdp")),
        "two batches a step": fit(world, runs / "g", shares(1)[:3] if world.rank else shares(0), 2, max_epochs=1, **own()),
    }
    found["generator, error"] = refused(lambda: fit(world, runs / "h", generator(mine), **long, **own("error")))
    found["list, error"] = refused(lambda: fit(world, runs / "i", mine, max_epochs=2, **own("error")))
    return found


@pytest.fixture(scope="module")
def ranks(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], dict[str, Any]]:
    first, second = on_ranks(tmp_path_factory.mktemp("streams"), on_rank)
    return first, second


Ranks = tuple[dict[str, Any], dict[str, Any]]


def near(found: dict[str, Tensor], wanted: dict[str, Tensor]) -> bool:
    return all(torch.allclose(found[name], each, atol=1e-6) for name, each in wanted.items())


@pytest.mark.parametrize(
    ("name", "steps", "because"),
    [
        *(("generator", 6, "data_ended"), ("generator, stop", 4, "data_ended"), ("list", 12, "max_epochs")),
        *(("list, stop", 8, "max_epochs"), ("list, ordered", 12, "max_epochs"), ("list, fsdp", 12, "max_epochs")),
    ],
)
def test_shares_of_unequal_length_are_one_process_that_has_all_of_them(
    ranks: Ranks, name: str, steps: int, because: str, tmp_path: Path
) -> None:
    if because == "max_epochs":
        alone = fit(World(), tmp_path / "alone", joined(steps // 2), max_epochs=2)
    else:
        alone = fit(World(), tmp_path / "alone", generator(joined(steps)), max_steps=20)
    for each in (each[name] for each in ranks):
        assert (each["steps"], each["because"]) == (alone["steps"], alone["because"]) == (steps, because)
        assert near(each["weights"], alone["weights"])
        assert each["losses"] == pytest.approx(alone["losses"], abs=1e-6)


def test_a_process_with_one_of_two_batches_left_uses_it(ranks: Ranks, tmp_path: Path) -> None:
    both = [[*shares(0)[place : place + 2], *shares(1)[:3][place : place + 2]] for place in (0, 2, 4)]
    alone = fit(World(), tmp_path / "alone", [put_together(each) for each in both], max_epochs=1)
    assert ranks[0]["two batches a step"]["steps"] == 3
    assert all(near(each["two batches a step"]["weights"], alone["weights"]) for each in ranks)


def test_an_uneven_end_is_told_by_all_where_it_is_an_error(ranks: Ranks) -> None:
    for each in ranks:
        assert "step 5" in each["generator, error"] and "rank 1 has no batch left, and others have" in each["generator, error"]
        assert "they have 6, 4 batches, in the order of ranks" in each["list, error"]


def test_rows_with_an_index_are_not_read_in_shares(tmp_path: Path) -> None:
    class Two(World):
        size = 2

    rows = rows_from((torch.randn(8, 5), torch.zeros(8).long()), "train", torch.float32)
    trainer = Trainer(TrainerConfig.model_validate(own()), world=Two(), console=False)
    with pytest.raises(ConfigError, match="rows with an index are not read in shares"):
        trainer.fit(nn.Linear(5, 2), rows, run=tmp_path)

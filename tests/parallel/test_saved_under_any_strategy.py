"""What was saved under one strategy and number of processes goes on under every other, and ends as the run that was not interrupted.

In the suite each is gone on from under itself, under one process and under another; PAIRS=all for every pair, as the nightly run has it.
"""

from __future__ import annotations

import logging
import os
import shutil
import warnings
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from forked_ranks import on_ranks
from torch import Tensor, nn
from torch.distributed import fsdp  # noqa: F401  (once, in the process that the ranks are forked from)

from trainwright.checkpoint.store import verify_checkpoint
from trainwright.cli.main import main
from trainwright.data.rows import TensorRows
from trainwright.engine.config import TrainerConfig
from trainwright.engine.trainer import Trainer
from trainwright.files.tensors import load_tensors
from trainwright.parallel.world import World
from trainwright.systems.plain import PlainSystem

pytestmark = pytest.mark.slow

PLAN = {"*.0": "colwise", "*.2": "rowwise"}
KINDS: dict[str, tuple[int, Any]] = {
    "single × 1": (1, "auto"),
    "ddp × 2": (2, {"type": "ddp", "reduce": "ordered"}),
    "zero × 2": (2, "zero"),
    "fsdp × 2": (2, "fsdp"),
    "tp × 2": (2, {"type": "tp", "plan": PLAN}),
    "ddp × 3": (3, "ddp"),
    "zero × 3": (3, "zero"),
    "fsdp × 3": (3, {"type": "fsdp", "groups": {"match": ["*.2"]}}),
}
SAVED, END = 4, 7


def train(world: World, place: Path, strategy: Any, steps: int) -> dict[str, Tensor]:
    """Begin or go on in `place`, to a number of steps; the weights as the run ends, an average of them being what is evaluated."""
    warnings.filterwarnings("ignore", message="FSDP2-wrapped module")
    torch.manual_seed(4)
    net = nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.Linear(8, 6), nn.Tanh(), nn.Linear(6, 2))
    system = PlainSystem(net, ["input"], "cross_entropy", None)
    options = {"batch_size": 12, "micro_batch_size": 4, "max_steps": steps, "max_epochs": None, "ema": 0.5, "trackers": []}
    more = {"strategy": strategy, "checkpoint": {"min_interval": "0 s"}, "optimizer": {"type": "adamw", "learning_rate": 0.02}}
    trainer = Trainer(TrainerConfig.model_validate(options | more), seed=1, device="cpu", console=False, world=world)
    x = torch.randn(36, 5, generator=torch.Generator().manual_seed(2))
    trainer.fit(system, TensorRows({"input": x, "target": (x[:, 0] > x[:, 1]).long()}), None, run=place, resume=True)
    return {name: each.detach().clone() for name, each in system.state_dict().items()}


def of_size(kinds: list[str], places: Path, world: World, folder: Path) -> dict[str, dict[str, Tensor]]:
    """Under each of some kinds of as many processes: a run that is not interrupted, and one that is saved on its way."""
    found = {}
    for name in kinds:
        found[name] = train(world, places / f"{name}, whole", KINDS[name][1], END)
        train(world, places / name, KINDS[name][1], SAVED)
    return found


def goes_on(kinds: list[str], places: Path, world: World, folder: Path) -> dict[tuple[str, str], dict[str, Tensor]]:
    """Under each of some kinds of as many processes: what every one that was saved comes to."""
    found = {}
    for saved in KINDS:
        for name in (each for each in kinds if tried(saved, each)):
            place = folder / f"{saved} to {name}"
            world.first(partial(shutil.copytree, places / saved, place, symlinks=True))
            found[saved, name] = train(world, place, KINDS[name][1], END)
    return found


def tried(saved: str, name: str) -> bool:
    """Whether what was saved under one is gone on from under the other here."""
    names = list(KINDS)
    apart = (names.index(name) - names.index(saved)) % len(names)
    return name == "single × 1" or apart in (0, 3) or os.environ.get("PAIRS") == "all"


def with_each_size(work: Any, places: Path, folder: Path) -> dict[Any, Any]:
    """What `work(kinds, places, world, folder)` gives on rank 0, for all sizes; the other ranks' must be the same."""
    found: dict[Any, Any] = {}
    for size in (1, 2, 3):
        kinds = [name for name, (ranks, _) in KINDS.items() if ranks == size]
        for result in on_ranks(folder / f"{work.__name__}-{size}", partial(work, kinds, places), size):
            for name, weights in result.items():
                assert name not in found or same(found[name], weights), f"{name}: ranks ended with other weights"
                found[name] = weights
    return found


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return all(torch.equal(each, other[name]) for name, each in one.items())


def distance(one: dict[str, Tensor], other: dict[str, Tensor]) -> float:
    return max(float((each - other[name]).abs().max()) for name, each in one.items())


Runs = tuple[Path, dict[str, dict[str, Tensor]], dict[tuple[str, str], dict[str, Tensor]]]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    folder = tmp_path_factory.mktemp("any")
    places = folder / "runs"
    places.mkdir()
    whole = with_each_size(of_size, places, folder)
    return places, whole, with_each_size(goes_on, places, folder)


def test_every_pair_ends_as_the_run_that_was_not_interrupted(runs: Runs) -> None:
    _, whole, ended = runs
    far = {pair: distance(weights, whole["single × 1"]) for pair, weights in ended.items()}
    assert len(far) == sum(tried(saved, name) for saved in KINDS for name in KINDS)
    assert max(far.values()) <= 1e-6, {pair: each for pair, each in far.items() if each > 1e-6}


def test_under_the_same_strategy_it_ends_with_the_same_bits(runs: Runs) -> None:
    _, whole, ended = runs
    assert [name for name in KINDS if not same(ended[name, name], whole[name])] == []


def test_each_checkpoint_says_who_wrote_it_and_holds_the_same(runs: Runs, tmp_path: Path) -> None:
    places, _, _ = runs
    first = verify_checkpoint((places / "single × 1/checkpoints/last").resolve())
    for name in KINDS:
        found = verify_checkpoint((places / name / "checkpoints/last").resolve())
        assert found.manifest.made_by == ("one process" if name == "single × 1" else name)
        for file in ("system.safetensors", "evaluated.safetensors", "optimizer.safetensors"):
            expected, here = first.tensors(file), found.tensors(file)
            assert expected.keys() == here.keys(), (name, file)
            assert all(expected[each].shape == here[each].shape for each in expected)
            assert distance(dict(here), dict(expected)) <= 1e-6, (name, file)
        parts = {path.name.partition(".")[0] for path in found.folder.glob("*.rank-1.safetensors")}
        expected_parts = {"zero": {"optimizer"}, "fsdp": {"system", "evaluated", "optimizer"}, "tp": {"system", "evaluated", "optimizer"}}
        assert parts == expected_parts.get(name.partition(" ")[0], set()), name


def test_one_file_is_made_of_what_fsdp_saved(runs: Runs, tmp_path: Path) -> None:
    places, _, _ = runs
    assert main(["convert", str(places / "fsdp × 3/checkpoints/last"), str(tmp_path / "w.safetensors")]) == 0
    found = load_tensors(tmp_path / "w.safetensors")
    checkpoint = verify_checkpoint((places / "fsdp × 3/checkpoints/last").resolve())
    assert same({**checkpoint.tensors("system.safetensors"), **checkpoint.tensors("evaluated.safetensors")}, found)


def test_who_saved_it_is_said_where_it_goes_on_otherwise(runs: Runs, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    places, _, _ = runs
    caplog.set_level(logging.INFO)
    shutil.copytree(places / "fsdp × 2", tmp_path / "run", symlinks=True)
    train(World(), tmp_path / "run", "auto", END)
    assert "saved by fsdp × 2, loaded as one process" in caplog.text


POWER = {"type": "ddp", "hook": {"type": "powersgd", "rank": 1, "start_step": 2, "least_saving": 1.0}}


def powersgd(world: World, folder: Path) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """A run whose gradients are compressed, without a break and with one."""
    whole = train(world, folder / "power", POWER, END)
    train(world, folder / "broken", POWER, SAVED)
    return whole, train(world, folder / "broken", POWER, END)


def test_what_powersgd_left_out_on_each_rank_goes_on(tmp_path: Path) -> None:
    for whole, broken in on_ranks(tmp_path, powersgd):
        assert same(whole, broken)
    checkpoint = verify_checkpoint((tmp_path / "broken/checkpoints/last").resolve())
    assert {name.partition("/")[0] for name in checkpoint.tensors("strategy.safetensors")} == {"rank-0-of-2", "rank-1-of-2"}
    assert {path.name for path in checkpoint.folder.glob("*.rank-1.*")} == {"strategy.rank-1.safetensors"}

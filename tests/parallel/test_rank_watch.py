"""Two processes of which one hangs: the report names it, its step, its phase and its stack, and soon. Two real processes over gloo."""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from forked_ranks import on_ranks
from torch import Tensor, nn

from trainwright.data.rows import TensorRows
from trainwright.engine.config import TrainerConfig
from trainwright.engine.trainer import Trainer
from trainwright.parallel.board import Board
from trainwright.parallel.distributed import DistributedWorld
from trainwright.parallel.flight import list_recorded
from trainwright.systems.plain import PlainSystem

TIMEOUT = 0.6
"""Seconds that are given."""
LATE = 2.0
"""Seconds after them within which the report has to be there."""


class SleepingRows(TensorRows):
    """Rows that are read slowly once, in their fifth batch."""

    def __init__(self, blocks: dict[str, Tensor], wait: Any) -> None:
        super().__init__(blocks)
        self.wait, self.batches, self.slept_at = wait, 0, 0.0

    def take(self, indices: Tensor) -> Any:
        self.batches += 1
        if self.batches == 3:
            time.sleep(0.3)  # time to tell where it is
        if self.batches == 5:
            self.slept_at = time.time()
            self.wait()
        return super().take(indices)


class Heard(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.said: list[tuple[float, str]] = []

    def emit(self, record: logging.LogRecord) -> None:
        if "no step has ended" in record.getMessage():
            self.said.append((time.time(), record.getMessage()))


def wait_in_the_loader() -> None:
    time.sleep(TIMEOUT + LATE + 1)


def stop_whole_process() -> None:
    os.kill(os.getpid(), signal.SIGSTOP)


def hanging(world: DistributedWorld, folder: Path, wait: Any) -> dict[str, Any]:
    heard, logger = Heard(), logging.getLogger("trainwright")
    logger.addHandler(heard)
    made = torch.Generator().manual_seed(0)
    x = torch.randn(40, 5, generator=made)
    data = SleepingRows({"input": x, "target": (x[:, 0] > 0).long()}, wait if world.rank == 1 else lambda: None)
    config = {"batch_size": 4, "max_epochs": 1, "log_every": "100 steps", "trackers": [], "early_stopping": None, "sanity_check": 0}
    config |= {"recovery": {"watchdog": f"{TIMEOUT} s"}}
    trainer = Trainer(TrainerConfig.model_validate(config), seed=3, device="cpu", console=False, world=world)
    torch.manual_seed(7)
    system = PlainSystem(nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.Linear(8, 2)), ["input"], "cross_entropy", ["accuracy"])
    other = world.gather(os.getpid())[1]
    if world.is_main and wait is stop_whole_process:
        threading.Timer(TIMEOUT + LATE + 3, lambda: os.kill(other, signal.SIGCONT)).start()
    result = trainer.fit(system, data, run=folder)
    slept_at = max(world.gather(data.slept_at if world.rank == 1 else 0.0))
    logger.removeHandler(heard)
    return {"said": [(at - slept_at, text) for at, text in heard.said], "steps": result.steps}


def on_rank(world: DistributedWorld, folder: Path) -> dict[str, Any]:
    world.first(lambda: (folder / "runs").mkdir())
    found = {"sleeps": hanging(world, folder / "runs" / "sleeps", wait_in_the_loader)}
    found["stopped"] = hanging(world, folder / "runs" / "stopped", stop_whole_process)
    found["collectives"] = len(list_recorded())
    board = Board()
    board.pin("place", [world.rank, "x"])
    world.barrier()
    found["other"] = world.gather(os.getpid())[1]
    return found | {"board": [board.read("place", 1 - world.rank), board.read("nothing", 0)]}


@pytest.fixture(scope="module")
def ranks(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], dict[str, Any], Path]:
    folder = tmp_path_factory.mktemp("watched")
    first, second = on_ranks(folder, on_rank)
    return first, second, folder / "runs"


Ranks = tuple[dict[str, Any], dict[str, Any], Path]


def test_a_rank_that_sleeps_in_the_loader_is_named_with_its_step_its_phase_and_its_stack(ranks: Ranks) -> None:
    first, second, folder = ranks
    ((after, text),) = first["sleeps"]["said"]
    assert second["sleeps"]["said"] == [], "one report"
    assert TIMEOUT <= after <= TIMEOUT + LATE
    assert text.splitlines()[0].startswith(f"no step has ended for {TIMEOUT:g} s; the others wait for rank 1: step 5, phase data, for ")
    assert "wait_in_the_loader" in text.split("where rank 1 is:")[1]
    assert "rank 0: " in text and "waits for others" in text
    hung = folder / "sleeps" / "hang"
    assert (hung / "step-00000005.txt").read_text() == text + "\n"
    assert "wait_in_the_loader" in (hung / "stacks-1.txt").read_text() and "parallel" in (hung / "stacks-0.txt").read_text()


def test_the_run_goes_on_once_it_can(ranks: Ranks) -> None:
    assert [each["sleeps"]["steps"] for each in ranks[:2]] == [10, 10]


def test_a_rank_that_tells_nothing_any_more_is_named(ranks: Ranks) -> None:
    first = ranks[0]
    after, text = first["stopped"]["said"][0]
    assert TIMEOUT <= after <= TIMEOUT + LATE + 1  # its last sign of life is of a moment before
    assert text.splitlines()[0].endswith(
        "rank 1 tells nothing any more: it has ended, its machine is gone, or code of it lets no other thread run"
    )
    assert f"rank 1 is process {first['other']} on " in text and "where rank 1 is:" not in text
    assert first["stopped"]["steps"] == 10


def test_the_flight_recorders_of_all_ranks_are_read_by_the_tool_of_torch(ranks: Ranks) -> None:
    first, _, folder = ranks
    assert first["collectives"] > 10
    from torch.distributed.flight_recorder.components.loader import read_dir

    assert sorted(path.name for path in (folder / "sleeps" / "hang").glob("flight_rank_*")) == ["flight_rank_0", "flight_rank_1"]
    found = read_dir(type("Arguments", (), {"trace_dir": str(folder / "sleeps" / "hang"), "prefix": "flight_rank_"})())
    assert len(found[0]) == 2
    assert "collectives, the last one gloo:" in first["sleeps"]["said"][0][1]


def test_a_board_has_what_another_process_pinned_up(ranks: Ranks) -> None:
    assert [each["board"] for each in ranks[:2]] == [[[1, "x"], None], [[0, "x"], None]]

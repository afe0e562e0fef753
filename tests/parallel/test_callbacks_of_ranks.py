"""Of two processes rank 0 calls all callbacks and trackers, the other those that are for every rank. Two real processes over gloo."""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
from forked_ranks import on_ranks
from torch import nn

from trainwright.config.errors import TrainwrightError
from trainwright.data.rows import TensorRows
from trainwright.engine.callbacks import Callback
from trainwright.engine.config import TrainerConfig
from trainwright.engine.events import read_events
from trainwright.engine.trainer import Trainer
from trainwright.parallel.distributed import DistributedWorld
from trainwright.systems.plain import PlainSystem

CODE = '''
from trainwright import Callback

CALLED = []

class Named(Callback):
    def __init__(self, name="x"):
        self.name = name

    def on_train_batch_end(self, session, system, batch, index):
        CALLED.append((self.name, session.rank, session.local_rank, session.world_size))

class Kept:
    """A tracker."""

    def __init__(self, folder):
        CALLED.append(("tracker", type(self).__name__))

    def begin(self, step):
        return []

    def log(self, row):
        CALLED.append(("row", type(self).__name__))

    def sync(self):
        pass

    def close(self):
        pass

class KeptEverywhere(Kept):
    every_rank = True

def say(session, *rest):
    CALLED.append(("lambda", session.rank))
'''


class Counting(Callback):
    """Of rank 0 alone, with a state; the other rank has one more of the same class before it, for every rank."""

    def __init__(self, everywhere: bool = False) -> None:
        self.every_rank, self.steps = everywhere, 0

    def on_train_batch_end(self, session: Any, system: Any, batch: Any, index: int) -> None:
        self.steps += 1

    def state_dict(self) -> dict[str, Any]:
        return {"steps": self.steps, "everywhere": self.every_rank}

    def load_state_dict(self, state: Any) -> None:
        assert state["everywhere"] == self.every_rank
        self.steps = state["steps"]


class LeavesOut(Callback):
    def on_train_batch_start(self, session: Any, system: Any, batch: Any, index: int) -> int | None:
        return -1 if index == 3 else None


def fit(world: DistributedWorld, folder: Path, *callbacks: Callback, resume: bool = False, **options: Any) -> Any:
    x = torch.randn(40, 5, generator=torch.Generator().manual_seed(0))
    data = TensorRows({"input": x, "target": (x[:, 0] > 0).long()})
    config = {"batch_size": 8, "max_epochs": 2, "log_every": "2 steps", "trackers": [], "early_stopping": None, "sanity_check": 0} | options
    trainer = Trainer(TrainerConfig.model_validate(config), seed=3, device="cpu", callbacks=list(callbacks), console=False, world=world)
    torch.manual_seed(7)
    system = PlainSystem(nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.Linear(8, 2)), ["input"], "cross_entropy", ["accuracy"])
    return trainer.fit(system, data, data, run=folder, resume=resume)


def on_rank(world: DistributedWorld, folder: Path) -> dict[str, Any]:
    file = folder / "mine.py"
    world.first(lambda: (folder / "runs").mkdir() or file.write_text(CODE))
    world.barrier()
    named = [{"type": f"{file}:Named", "name": "rank 0"}, {"type": f"{file}:Named", "name": "all", "every_rank": True}]
    named += [{"type": "lambda", "functions": {"on_train_start": f"{file}:say"}}]
    named += [{"type": "lambda", "every_rank": True, "functions": {"on_train_end": f"{file}:say"}}]
    trackers = [f"{file}:Kept", f"{file}:KeptEverywhere", {"type": f"{file}:Kept", "every_rank": True}]
    fit(world, folder / "runs" / "a", callbacks=named, trackers=trackers)
    from trainwright.config.foreign import found_at

    found: dict[str, Any] = {"called": list(found_at(f"{file}:CALLED.copy")[0]())}
    counting = [Counting(everywhere=True), Counting()]
    fit(world, folder / "runs" / "b", *counting, max_epochs=1)
    found["counted"] = [each.steps for each in counting]
    again = [Counting(everywhere=True), Counting()]
    fit(world, folder / "runs" / "b", *again, max_epochs=2, resume=True)
    found["counted again"] = [each.steps for each in again]
    profiled = fit(world, folder / "runs" / "c", micro_batch_size=2, callbacks=[{"type": "profiler", "first": 3, "last": 4}])
    found["steps"] = profiled.steps
    try:
        fit(world, folder / "runs" / "d", LeavesOut())
    except TrainwrightError as error:
        found["left out"] = str(error)
    return found


@pytest.fixture(scope="module")
def ranks(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], dict[str, Any], Path]:
    folder = tmp_path_factory.mktemp("called")
    first, second = on_ranks(folder, on_rank)
    return first, second, folder / "runs"


Ranks = tuple[dict[str, Any], dict[str, Any], Path]


def test_rank_0_calls_all_and_the_other_those_for_every_rank(ranks: Ranks) -> None:
    first, second, _ = ranks
    assert {each for each in first["called"] if len(each) == 4} == {("rank 0", 0, 0, 2), ("all", 0, 0, 2)}
    assert {each for each in second["called"] if len(each) == 4} == {("all", 1, 1, 2)}
    assert first["called"].count(("lambda", 0)) == 2 and second["called"].count(("lambda", 1)) == 1


def test_trackers_too(ranks: Ranks) -> None:
    first, second, _ = ranks
    assert [each[1] for each in first["called"] if each[0] == "tracker"] == ["Kept", "KeptEverywhere", "Kept"]
    assert [each[1] for each in second["called"] if each[0] == "tracker"] == ["KeptEverywhere", "Kept"]
    assert second["called"].count(("row", "KeptEverywhere")) == first["called"].count(("row", "KeptEverywhere")) > 2


def test_each_gets_the_state_back_that_rank_0_saved_of_it(ranks: Ranks) -> None:
    first, second, _ = ranks
    assert first["counted"] == [5, 5] and second["counted"] == [5, 0]
    assert first["counted again"] == [10, 10] and second["counted again"] == [10, 0]


def test_a_callback_of_rank_0_cannot_leave_out_batches_that_the_others_use(ranks: Ranks) -> None:
    first, second, _ = ranks
    assert "-1 of on_train_batch_start of LeavesOut in a run of several processes" in first["left out"]
    assert "every_rank = True in the class" in first["left out"]
    assert "another process of this run has ended" in second["left out"]


def test_each_rank_writes_what_it_exchanged_and_the_parts_of_its_steps(ranks: Ranks) -> None:
    profiles = ranks[2] / "c" / "profile"
    for rank in range(2):
        text = (profiles / f"steps-00000003-00000004-rank-{rank}.txt").read_text().split("exchanged with other processes")[1]
        assert any(line.split()[0].startswith(("gloo:", "c10d::")) and int(line.split()[-2]) >= 2 for line in text.splitlines()[1:] if line)
        events = json.loads((profiles / f"steps-00000003-00000004-rank-{rank}.json").read_text())["traceEvents"]
        ranges = [each["name"].removeprefix("step: ") for each in events if str(each.get("name", "")).startswith("step: ")]
        assert Counter(ranges) >= Counter({"step": 2, "forward": 4, "backward": 4, "optimizer": 2, "wait": 6})


def test_one_file_has_the_events_of_the_run(ranks: Ranks) -> None:
    events = read_events(ranks[2] / "b")
    assert [each["ranks"] for each in events if each["event"] == "start"] == [2, 2]
    assert [each["event"] for each in events].count("finish") == 2
    assert os.listdir(ranks[2] / "a").count("events.jsonl") == 1

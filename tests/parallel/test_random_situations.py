"""What random processes meet at random steps, between intervals of time and of steps: two real processes act alike."""

from __future__ import annotations

import random
import time
from pathlib import Path
from typing import Any

import torch
from forked_ranks import on_ranks
from test_decisions_of_two_ranks import OutOfMemoryInEvaluation, Watch, killed, run

from trainwright.parallel.world import World

SEEDS = range(8)
KINDS = ("signal", "stop", "early", "memory", "broken", "memory in evaluation", "signal in evaluation", "slow")


class Meets(Watch):
    """Meets each of `events` once, at its step."""

    def __init__(self, events: dict[str, int]) -> None:
        super().__init__(stop_from=events.get("early"))
        self.events = dict(events)

    def due(self, kind: str, step: int) -> bool:
        return step >= self.events.get(kind, step + 1) and self.events.pop(kind) >= 0

    def setup(self, session: Any, system: Any) -> None:
        if "memory in evaluation" in self.events:
            system.register_forward_pre_hook(OutOfMemoryInEvaluation.refuse)

    def on_train_batch_start(self, session: Any, system: Any, batch: Any, index: int) -> None:
        if self.due("broken", session.step):
            batch["input"][0] = torch.nan

    def on_before_backward(self, session: Any, system: Any, loss: Any) -> None:
        if int(loss.count) > 2 and self.due("memory", session.step):
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB")

    def on_train_batch_end(self, session: Any, system: Any, batch: Any, index: int) -> None:
        if self.due("signal", session.step):
            killed(session)
        if self.due("stop", session.step):
            session.stop("enough")
        if self.due("slow", session.step):
            time.sleep(0.1)

    def on_validation_batch_end(self, session: Any, system: Any, batch: Any, index: int, outputs: Any) -> None:
        if self.due("signal in evaluation", session.step):
            killed(session)


def situation(world: World, folder: Path, seed: int) -> list[dict[str, Any]]:
    """A run of random settings in which up to three things happen, and what continues it."""
    draw = random.Random(seed)
    options = {
        "log_every": draw.choice(["3 steps", "0.02 s", "1 epoch"]),
        "evaluate_every": draw.choice(["1 epoch", "0.03 s", "4 steps"]),
        "checkpoint": draw.choice([{}, {"every": "0.02 s"}, {"every": "2 steps"}, {"min_interval": "0 s"}]),
        "recovery": {"not_finite": draw.choice(["rollback", "skip", "stop"])},
        "evaluation_batch_size": draw.choice([3, 7, 64]),
        "micro_batch_size": draw.choice([None, 3]),
        "max_time": draw.choice([None, "0.5 s"]),
    }
    events = {kind: (draw.randrange(2), draw.randrange(1, 28)) for kind in draw.sample(KINDS, draw.randrange(4))}
    mine = {kind: step for kind, (rank, step) in events.items() if rank == world.rank}
    found = [run(world, folder / f"run-{seed}", Meets(mine), **options)]
    while found[-1]["said"].startswith("SIG") and len(found) < 4:
        found.append(run(world, folder / f"run-{seed}", resume=True, **options))
    return [{name: each.get(name) for name in ("said", "steps", "because", "history", "best", "skipped")} for each in found]


def situations(world: World, folder: Path) -> list[str]:
    return [repr(situation(world, folder, seed)) for seed in SEEDS]


def test_two_processes_act_alike_whatever_one_of_them_meets(tmp_path: Path) -> None:
    first, second = on_ranks(tmp_path, situations)
    assert [seed for seed in SEEDS if first[seed] != second[seed]] == []

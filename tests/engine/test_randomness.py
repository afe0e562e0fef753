"""What a step, an evaluation or a hook draws from torch, `random` or numpy follows from the seed and its place in the run alone."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import trainwright as tw
from trainwright.config.errors import Interrupted
from trainwright.engine.randomness import StepSeeds


def drawn() -> tuple[float, ...]:
    """One number of each generator that a person may use without naming one, and a second of a kind that numpy keeps a half of."""
    return random.random(), random.gauss(0, 1), float(np.random.rand()), float(np.random.randn()), torch.rand(1).item()


class Draws(tw.System):
    """Notes what it draws, by where it is."""

    def build(self, spec: Any) -> None:
        self.net, self.seen = nn.Linear(3, 1), dict[Any, Any]()
        self.start = drawn()

    def note(self, *place: Any) -> None:
        self.seen.setdefault(place, []).append(drawn())

    def training_step(self, batch: Any, context: Any) -> Tensor:
        self.note("step", context.step)
        return self.net(batch["input"]).pow(2).mean()

    def evaluation_step(self, batch: Any, context: Any) -> Any:
        self.note("evaluation", context.step)
        return {"loss": self.net(batch["input"]).pow(2).mean()}


class Listens(tw.Callback):
    """Draws in every hook between steps; `stop` ends the process after so many."""

    def __init__(self, stop: int = -1) -> None:
        self.at = stop

    def on_train_start(self, session: Any, system: Any) -> None:
        if not session.step:  # told again when a run continues
            system.note("train_start")

    def on_train_epoch_start(self, session: Any, system: Any) -> None:
        system.note("epoch_start", session.step)

    def on_train_batch_start(self, session: Any, system: Any, batch: Any, index: int) -> None:
        system.note("batch_start", session.step)

    def on_train_batch_end(self, session: Any, system: Any, batch: Any, index: int) -> None:
        system.note("batch_end", session.step)
        if session.step == self.at:
            session.parts.interrupts.requested = 1

    def on_validation_end(self, session: Any, system: Any, metrics: Any) -> None:
        system.note("validation_end", session.step)

    def on_train_epoch_end(self, session: Any, system: Any) -> None:
        system.note("epoch_end", session.step)

    def on_log(self, session: Any, row: Any) -> None:
        session.system.note("log", session.step)


DATA, HELD_OUT = {"input": torch.ones(32, 3)}, {"input": torch.ones(8, 3)}


def fit(folder: Path, seed: int = 3, stop: int = -1, resume: bool = False, **options: Any) -> Draws:
    system = Draws()
    usual = {"validation": HELD_OUT, "batch_size": 8, "max_epochs": 2, "console": False, "device": "cpu", "log_every": "1 steps"}
    try:
        tw.fit(system, DATA, run_dir=folder, resume=resume, seed=seed, callbacks=[Listens(stop)], **usual | options)
    except Interrupted:
        assert stop > 0
    return system


def scattered(number: int) -> None:
    random.seed(number)
    np.random.seed(number)
    torch.manual_seed(number)


def test_whatever_was_drawn_before_a_run_draws_the_same(tmp_path: Path) -> None:
    scattered(0)
    first = fit(tmp_path / "first")
    scattered(1)
    second, other = fit(tmp_path / "second"), fit(tmp_path / "other", seed=4)
    assert first.seen == second.seen and first.start == second.start
    assert not set(first.seen[("step", 2)]) & set(other.seen[("step", 2)])
    streams = [each for place, found in first.seen.items() if place[0] in ("step", "batch_start", "epoch_start") for each in found]
    assert len({each[0] for each in streams}) >= len(streams) - 2  # no two places draw the same, but for the trial's


@pytest.mark.parametrize("stop", [3, 4, 6])
def test_a_run_that_was_cut_draws_what_a_whole_one_draws(tmp_path: Path, stop: int) -> None:
    whole = fit(tmp_path / "whole")
    cut = fit(tmp_path / "cut", stop=stop)
    scattered(9)
    again = fit(tmp_path / "cut", resume=True)
    later = {place: found[-1] for place, found in again.seen.items() if place[0] != "epoch_start" or place[1] > stop}
    for place, found in later.items():
        if place not in (("step", 0), ("evaluation", 0)):  # the trial before the run
            assert found == whole.seen[place][-1], place
    assert set(cut.seen) | set(again.seen) == set(whole.seen)


ALONE = """
import random, sys
import numpy as np, torch
import trainwright as tw

class Draws(tw.System):
    def build(self, spec):
        self.net = torch.nn.Linear(3, 1)
    def training_step(self, batch, context):
        return self.net(batch["input"]).pow(2).mean() + 0 * (random.random() + np.random.rand() + torch.rand(1).item())

def streamed():
    for _ in range(4):
        yield {"input": torch.randn(8, 3) + random.random(), "noise": torch.rand(8)}

for number, data in enumerate([{"input": torch.ones(32, 3)}, streamed]):
    before = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()
    tw.fit(Draws(), data, run_dir=sys.argv[1] + str(number), max_steps=4, console=False, device="cpu")
    assert (random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()) == before, number
"""


def test_a_persons_own_generators_are_left_as_they_were(tmp_path: Path) -> None:
    # in a process of its own: what checks annotations in these tests draws from `random` too
    subprocess.run([sys.executable, "-c", ALONE, str(tmp_path / "run")], check=True, timeout=120)


def test_seeding_clears_the_half_that_a_normal_draw_keeps() -> None:
    seeds, found = StepSeeds(0, torch.device("cpu")), list[Any]()
    before = random.getstate(), np.random.get_state(), torch.get_rng_state()
    for odd in (0, 1):
        for _ in range(odd):
            random.gauss(0, 1)
            np.random.randn()
        seeds.step(7)
        found.append(drawn())
    random.setstate(before[0])
    np.random.set_state(before[1])
    torch.set_rng_state(before[2])
    assert found[0] == found[1]

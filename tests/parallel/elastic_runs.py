"""Runs whose ranks die and whose members come and go: a small table, a callback that does harm, and what is compared at the end."""

from __future__ import annotations

import csv
import json
import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch

import commands
from commands import command_process
from fork_server import fork_server
from trainwright.engine.events import read_events
from trainwright.files.tensors import load_tensors

ROWS, LIMIT = 120, 120.0
OWN = """
import os, signal, time
from pathlib import Path
import trainwright as tw

class Acts(tw.Callback):
    every_rank = True

    class Config(tw.ConfigModel):
        type: str = "acts"
        pause: float = 0.0
        rank: int = -1
        step: int = 0
        how: str = "kill"
        times: int = 1
        mark: str = "mark"

    def __init__(self, config):
        self.config = config

    def on_train_batch_end(self, session, system, batch, index):
        own = self.config
        if own.pause and Path("slow").exists():
            time.sleep(own.pause)
        if own.how != "kill in a save" and self.is_time(session):
            self.act()

    def on_save_checkpoint(self, session, system, documents):
        if self.config.how == "kill in a save" and self.is_time(session):
            os.kill(os.getpid(), signal.SIGKILL)

    def is_time(self, session):
        own, mark = self.config, Path(self.config.mark)
        if (session.world.rank, session.step) != (own.rank, own.step) or len(mark.read_text() if mark.exists() else "") >= own.times:
            return False
        mark.write_text((mark.read_text() if mark.exists() else "") + "x")
        return True

    def act(self):
        own = self.config
        if own.how == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        elif own.how == "sleep":
            time.sleep(60)
        elif own.how == "overstay":
            with tw.expires(after=0.5, name="a short block"):
                time.sleep(60)
        raise ValueError("the sensor is off")
"""
SETTINGS = ["trainer.batch_size=8", "evaluation.baselines=[]", "evaluation.importance=false", "trainer.progress=none", "run.threads=1"]
SETTINGS += ["trainer.checkpoint.every=5 steps", "trainer.log_every=1 step"]


class Command:
    """A command in a process of its own."""

    def __init__(self, folder: Path, name: str, *words: str, machine: str = "") -> None:
        """`machine`: a name of another one, on which the command believes itself to be."""
        self.printed = [folder / f"{name}.out", folder / f"{name}.err"]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        self.process = command_process(words, folder, environment, self.printed)
        if machine:
            self.process = fork_server().Process(target=run_elsewhere, args=(machine, list(words), folder, environment, self.printed))
        self.process.start()

    def end(self, limit: float = LIMIT) -> int:
        self.process.join(limit)
        if self.process.is_alive():
            self.process.kill()
            raise AssertionError(f"it has not ended: {self.said}")
        code: int = self.process.exitcode
        return code

    def kill(self, number: int = signal.SIGKILL) -> None:
        os.kill(self.process.pid, number)

    def kill_all(self) -> None:
        """The command and all that it has started, at once."""
        parents = {}
        for each in Path("/proc").glob("[0-9]*/stat"):
            with suppress(OSError):
                parents[int(each.parent.name)] = int(each.read_text().rpartition(")")[2].split()[1])
        ending = [self.process.pid]
        for pid in ending:
            ending += [child for child, parent in parents.items() if parent == pid]
        for pid in ending:
            os.kill(pid, signal.SIGKILL)

    @property
    def said(self) -> str:
        return "".join(each.read_text() for each in self.printed if each.exists())


def run_elsewhere(machine: str, given: list[str], folder: Path, environment: dict[str, str], printed: list[Path]) -> None:
    """A command that takes this machine for another one, so that it sees the processes of no other member."""
    from trainwright.parallel.elastic import member, presence

    member.machine = presence.machine = lambda: machine  # type: ignore[attr-defined]
    commands._run(given, folder, environment, printed)


def words(place: str, *settings: str, epochs: int = 8, **acts: Any) -> list[str]:
    callback = f"trainer.callbacks=[{acting(**acts)}]"
    return ["train", "t.csv", "--target", "y", f"run.dir={place}", *SETTINGS, f"trainer.max_epochs={epochs}", callback, *settings]


def acting(**acts: Any) -> str:
    """The callback, which does so once unless told otherwise."""
    return "{type: './own.py:Acts', " + ", ".join(f"{name}: {value}" for name, value in acts.items()) + "}"


def wait_for(what: Callable[[], Any], *commands: Command) -> Any:
    ends = time.monotonic() + LIMIT
    while not (found := what()):
        assert time.monotonic() < ends, [each.said for each in commands]
        time.sleep(0.02)
    return found


def starts(run: Path) -> list[dict[str, Any]]:
    return [each for each in read_events(run) if each["event"] == "start"]


def rows(run: Path) -> list[dict[str, str]]:
    with (run / "metrics.csv").open() as file:
        return list(csv.DictReader(file))


def weights(run: Path) -> dict[str, torch.Tensor]:
    newest = max((run / "checkpoints").glob("step-*"))
    return load_tensors(newest / "system.safetensors")


def make_folder(made: Path) -> Path:
    """A folder with the table and the callback."""
    lines = [f"{number % 7},{number % 5},{'yes' if number % 7 > 3 else 'no'}" for number in range(ROWS)]
    (made / "t.csv").write_text("\n".join(["a,b,y", *lines]) + "\n")
    (made / "own.py").write_text(OWN)
    return made


def assert_same_weights(run: Path, whole: Path) -> None:
    """Final weights within 1e-6 of those of a run that nothing happened to."""
    assert json.loads((run / "run.json").read_text())["status"] == "finished"
    mine, theirs = weights(run), weights(whole)
    assert mine.keys() == theirs.keys()
    assert max(float((mine[name] - theirs[name]).abs().max()) for name in mine) <= 1e-6


def assert_same_run(run: Path, whole: Path) -> None:
    """The same, and each step once in the log, with the loss and the rate that it has there."""
    assert_same_weights(run, whole)
    assert [(each["step"], each["learning_rate"]) for each in rows(run)] == [(each["step"], each["learning_rate"]) for each in rows(whole)]
    losses = [float(each["train/loss"]) for each in rows(whole)]
    assert [float(each["train/loss"]) for each in rows(run)] == pytest.approx(losses, abs=1e-6)

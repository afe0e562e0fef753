"""Members of a run come and go, as real processes: the run goes on with those that are there, and ends with the weights of one that nothing
happened to."""

from __future__ import annotations

import csv
import json
import os
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from commands import command_process, trainwright_command
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
        mark = Path(own.mark)
        if (session.world.rank, session.step) != (own.rank, own.step) or len(mark.read_text() if mark.exists() else "") >= own.times:
            return
        mark.write_text((mark.read_text() if mark.exists() else "") + "x")
        if own.how == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        elif own.how == "leave":
            os._exit(7)
        elif own.how == "overstay":
            with tw.expires(after=0.5, name="a short block"):
                time.sleep(60)
        raise ValueError("the sensor is off")
"""
SETTINGS = ["trainer.batch_size=8", "evaluation.baselines=[]", "evaluation.importance=false", "trainer.progress=none", "run.threads=1"]
SETTINGS += ["trainer.checkpoint.every=5 steps", "trainer.log_every=1 step"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("members")
    lines = [f"{number % 7},{number % 5},{'yes' if number % 7 > 3 else 'no'}" for number in range(ROWS)]
    (made / "t.csv").write_text("\n".join(["a,b,y", *lines]) + "\n")
    (made / "own.py").write_text(OWN)
    return made


class Command:
    """A command in a process of its own."""

    def __init__(self, folder: Path, name: str, *words: str) -> None:
        self.printed = [folder / f"{name}.out", folder / f"{name}.err"]
        self.process = command_process(words, folder, {**os.environ, "OMP_NUM_THREADS": "1"}, self.printed)
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

    @property
    def said(self) -> str:
        return "".join(each.read_text() for each in self.printed)


def words(place: str, *settings: str, epochs: int = 8, **acts: Any) -> list[str]:
    told = ", ".join(f"{name}: {value}" for name, value in acts.items())
    callback = f"trainer.callbacks=[{{type: './own.py:Acts', {told}}}]"
    return ["train", "t.csv", "--target", "y", f"run.dir={place}", *SETTINGS, f"trainer.max_epochs={epochs}", callback, *settings]


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


@pytest.fixture(scope="module")
def whole(folder: Path) -> Path:
    """A run of one process that nothing happens to."""
    done = trainwright_command(*words("whole"), folder=folder)
    assert done.returncode == 0, done.stderr
    return folder / "whole"


def assert_same_run(run: Path, whole: Path) -> None:
    """Final weights within 1e-6; each step once in the log, with the rows and the rate that it has in a run that nothing happened to."""
    assert json.loads((run / "run.json").read_text())["status"] == "finished"
    mine, theirs = weights(run), weights(whole)
    assert mine.keys() == theirs.keys()
    assert max(float((mine[name] - theirs[name]).abs().max()) for name in mine) <= 1e-6
    assert [(each["step"], each["learning_rate"]) for each in rows(run)] == [(each["step"], each["learning_rate"]) for each in rows(whole)]
    losses = [float(each["train/loss"]) for each in rows(whole)]
    assert [float(each["train/loss"]) for each in rows(run)] == pytest.approx(losses, abs=1e-6)


def test_members_come_and_go_and_the_run_ends_as_if_it_had_been_alone(folder: Path, whole: Path) -> None:
    (folder / "slow").touch()
    run, asked = folder / "elastic", words("elastic", "launch.min=1", "launch.max=2", pause=0.25)
    first = Command(folder, "first", *asked)
    wait_for(lambda: starts(run), first)
    second = Command(folder, "second", *asked)
    wait_for(lambda: starts(run)[-1]["ranks"] == 2, first, second)
    third, stranger = Command(folder, "third", *asked), Command(folder, "stranger", *asked, "trainer.optimizer.learning_rate=0.1")
    wait_for(lambda: "waits for a place: 2 take part (launch.max=2)" in third.said, first, third)
    assert stranger.end() == 2, "it is refused"
    assert "trainer.optimizer.learning_rate is 0.1 here, and 0.001 there" in stranger.said
    second.kill()
    wait_for(lambda: len(starts(run)) == 3, first, third)
    third.kill(signal.SIGTERM)
    wait_for(lambda: len(starts(run)) == 4, first, third)
    (folder / "slow").unlink()
    assert third.end() == 75, third.said
    assert first.end() == 0, first.said
    assert [(each["ranks"], each.get("members", 1)) for each in starts(run)] == [(1, 1), (2, 2), (2, 2), (1, 1)]
    changes = [each for each in read_events(run) if each["event"] == "membership"]
    assert [(each["before"], each["ranks"]) for each in changes] == [(1, 2), (2, 2), (2, 1)]
    host = socket.gethostname()
    lost = f"member 2 ({host}) was lost; member 3 ({host}) joined"
    assert [each["because"] for each in changes] == [f"member 2 ({host}) joined", lost, f"member 3 ({host}) left"]
    said = (run / "log.txt").read_text()
    assert "members: 1 → 2 ranks" in said and "members: 2 → 1 ranks" in said
    report = (run / "report.html").read_text()
    assert "4 starts, of which 0 followed a failure; the number of ranks or the members changed 3 times." in report and lost in report
    assert_same_run(run, whole)
    assert not (folder / ".elastic.members").exists()


def test_ranks_begin_again_when_one_was_killed(folder: Path, whole: Path) -> None:
    run, said = folder / "restarted", "rank 1: the process was killed (SIGKILL)"
    asked = words("restarted", "--devices", "2", "launch.restarts=2", rank=1, step=23, mark="mark-kill")
    done = trainwright_command(*asked, folder=folder, OMP_NUM_THREADS="1")
    assert done.returncode == 0, done.stderr
    assert f"{said}; all ranks begin again from step 20 (restart 1 of 2)" in done.stderr
    assert [(each["ranks"], each["step"], each.get("restarts", 0)) for each in starts(run)] == [(2, 0, 0), (2, 20, 1)]
    assert [each["because"] for each in read_events(run) if each["event"] == "restart"] == [said]
    assert f"restart 1 of 2, from step 20: {said}" in (run / "log.txt").read_text()
    told = json.loads((run / "logs/rank-1.error.json").read_text())
    assert said.endswith(told["message"]["message"])
    assert_same_run(run, whole)


def test_what_fails_again_and_again_is_told_once_with_how_often(folder: Path) -> None:
    asked = words("hopeless", "launch.restarts=2", rank=0, step=8, how="raise", times=9, mark="mark-hopeless")
    done = trainwright_command(*asked, folder=folder)
    assert done.returncode == 1
    assert done.stderr.count("error: ValueError: the sensor is off") == 1
    assert "note: all ranks were started again 2 times (launch.restarts=2); no checkpoint was written since" in done.stderr
    logs = sorted(each.name for each in (folder / "hopeless/logs").iterdir())
    assert logs == ["rank-0.error.json", "rank-0.start-2.error.json", "rank-0.start-3.error.json"]


def test_a_wrong_request_is_never_started_again(folder: Path) -> None:
    done = trainwright_command(*words("wrong", "launch.restarts=3", "targets=[nothing]"), folder=folder)
    assert done.returncode == 2
    assert "begin again" not in done.stderr and not (folder / "wrong").exists()

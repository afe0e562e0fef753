"""Commands on two ranks, as real processes: one run, one directory, one log, one result, whoever started them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from commands import command_process, trainwright_command

pytestmark = pytest.mark.slow

ROWS = 120
SLOW = """
import time
import trainwright as tw

class Slow(tw.Callback):
    every_rank = True

    every_rank = True

    class Config(tw.ConfigModel):
        type: str = "slow"
        broken_rank: int = -1

    def __init__(self, config):
        self.config = config

    def on_train_batch_end(self, session, system, batch, index):
        time.sleep(0.02)
        print("rank", session.world.rank, "of", session.world.size, "on", session.world.local_rank, "made", session.step, flush=True)
        if session.world.rank == self.config.broken_rank and session.step == 3:
            raise ValueError("the sensor is off")
"""
SETTINGS = ["trainer.batch_size=8", "evaluation.baselines=[]", "evaluation.importance=false", "evaluation.report=false"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("ranks")
    lines = [f"{number % 7},{number % 5},{'yes' if number % 7 > 3 else 'no'}" for number in range(ROWS)]
    (made / "t.csv").write_text("\n".join(["a,b,y", *lines]) + "\n")
    (made / "slow.py").write_text(SLOW)
    return made


def run_words(place: str, *settings: str) -> list[str]:
    return ["train", "t.csv", "--target", "y", f"run.dir={place}", *SETTINGS, *settings]


def results(run: Path) -> dict[str, object]:
    found: dict[str, object] = json.loads((run / "results.json").read_text())
    return found


def numbers(found: Any, name: str = "") -> Iterator[tuple[str, float]]:
    """Every number in nested metrics, by its path."""
    if isinstance(found, dict):
        for key, each in found.items():
            yield from numbers(each, f"{name}/{key}")
    elif isinstance(found, int | float):
        yield name, float(found)


def test_a_run_of_two_ranks_is_saved_by_a_signal_and_continued_by_one(folder: Path) -> None:
    printed = [folder / "stdout", folder / "stderr"]
    words = run_words("two", "--devices", "2", "trainer.max_epochs=400", "trainer.callbacks=[./slow.py:Slow]")
    process = command_process(words, folder, dict(os.environ), printed)
    process.start()
    run, ends = folder / "two", time.monotonic() + 120
    while not (run / "metrics.csv").is_file() and time.monotonic() < ends:
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGTERM)
    process.join(120)
    said = printed[1].read_text()
    assert process.exitcode == 75, said
    assert said.count("2 ranks, 2 on this machine, 1 thread each") == 1
    assert said.count("stopped and saved at step") == 1
    assert "continue with: trainwright resume two" in said
    assert "rank 1 of 2 on 1" not in printed[0].read_text()
    assert "rank 0 of 2 on 0 made 1" in printed[0].read_text()
    assert "rank 1 of 2 on 1 made 1" in (run / "logs/rank-1.txt").read_text()
    assert [each.name for each in (run / "logs").iterdir()] == ["rank-1.txt"]
    assert json.loads((run / "run.json").read_text())["status"] == "interrupted"
    step = int(said.partition("saved at step ")[2].split()[0])

    done = trainwright_command(
        "resume", "two", "--devices", "1", f"trainer.max_epochs={step // 10 + 2}", "trainer.callbacks=[]", folder=folder
    )
    assert done.returncode == 0, done.stderr
    assert int(results(run)["timing"]["steps"]) > step  # type: ignore[index]
    assert json.loads((run / "run.json").read_text())["status"] == "finished"


def test_the_failure_of_one_rank_is_what_is_read_and_every_rank_leaves_its_own(folder: Path) -> None:
    callback = "trainer.callbacks=[{type: './slow.py:Slow', broken_rank: 1}]"
    done = trainwright_command(*run_words("broken", "--devices", "2", "launch.tee=true", "trainer.max_epochs=9", callback), folder=folder)
    assert done.returncode == 1
    assert "error: rank 1: ValueError: the sensor is off" in done.stderr
    assert "another process of this run has ended" not in done.stderr.partition("error: ")[2]
    assert "[rank 1] rank 1 of 2 on 1 made 1" in done.stderr
    told = json.loads((folder / "broken/logs/rank-1.error.json").read_text())
    assert "the sensor is off" in told["message"]["extraInfo"]["py_callstack"]
    assert (folder / "broken/logs/rank-0.error.json").is_file()


def test_torchrun_starts_one_run(folder: Path) -> None:
    program = folder / "train.py"
    program.write_text("import sys; from trainwright.cli.main import main; sys.exit(main())")
    words = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--standalone", str(program)]
    words += run_words("torchrun", "trainer.max_epochs=3", "launch.devices=3")
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False, timeout=180)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("t.csv: 120 rows") == 1
    assert "launch.devices=3 is left aside: torchrun started 2 processes" in done.stderr
    assert done.stderr.count("run:    torchrun") == 1
    one = trainwright_command(*run_words("one", "trainer.max_epochs=3"), folder=folder)
    assert one.returncode == 0, one.stderr
    two, alone = (dict(numbers(results(folder / name)["metrics"])) for name in ("torchrun", "one"))
    assert two == pytest.approx(alone, rel=1e-4)

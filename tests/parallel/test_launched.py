"""What launchers tell their processes is read as they write it, and several processes are refused before anything is written."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

import trainwright as tw
from commands import trainwright_command
from trainwright.cli.main import main
from trainwright.config.errors import ConfigError
from trainwright.parallel.launched import ensure_together, read_launch
from trainwright.parallel.world import World

LAUNCHERS = {
    "torchrun": {"WORLD_SIZE": "2", "RANK": "1", "LOCAL_RANK": "0", "MASTER_ADDR": "localhost"},
    "srun": {"SLURM_STEP_NUM_TASKS": "2", "SLURM_NTASKS": "2", "SLURM_PROCID": "1", "SLURM_LOCALID": "0", "SLURM_STEP_ID": "0"},
    "Open MPI": {"OMPI_COMM_WORLD_SIZE": "2", "OMPI_COMM_WORLD_RANK": "1", "OMPI_COMM_WORLD_LOCAL_RANK": "0"},
    "mpirun": {"PMI_SIZE": "2", "PMI_RANK": "1", "MPI_LOCALRANKID": "0"},
}


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_each_launcher_is_understood(launcher: str) -> None:
    found = read_launch(LAUNCHERS[launcher])
    assert (found.rank, found.size, found.local_rank, found.launcher) == (1, 2, 0, launcher)


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"WORLD_SIZE": "1"},
        {"WORLD_SIZE": ""},
        {"WORLD_SIZE": "1", "RANK": "0"},
        {"RANK": "3"},  # a name that people use for other things
        {"SLURM_NTASKS": "4", "SLURM_PROCID": "0"},  # the one process of a batch script
        {"SLURM_STEP_NUM_TASKS": "1", "SLURM_NTASKS": "1", "SLURM_PROCID": "0", "SLURM_STEP_ID": "0"},
        {"WORLD_SIZE": "1", "SLURM_STEP_NUM_TASKS": "4", "SLURM_PROCID": "2"},  # each task of srun with a run of its own
    ],
)
def test_one_process_is_one_process(environment: dict[str, str]) -> None:
    assert read_launch(environment).size == 1
    assert read_launch(environment).rank == 0


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"WORLD_SIZE": "abc", "RANK": "0"}, "WORLD_SIZE=abc is not a whole number"),
        ({"WORLD_SIZE": "2.5"}, "WORLD_SIZE=2.5 is not a whole number"),
        ({"WORLD_SIZE": "0"}, "WORLD_SIZE=0 is no number of processes"),
        ({"WORLD_SIZE": "-2", "RANK": "0"}, "WORLD_SIZE=-2 is no number of processes"),
        ({"WORLD_SIZE": "2"}, "RANK is not set"),
        ({"WORLD_SIZE": "2", "RANK": ""}, "RANK is not set"),
        ({"WORLD_SIZE": "2", "RANK": "two"}, "RANK=two is not a whole number"),
        ({"WORLD_SIZE": "2", "RANK": "2"}, "RANK=2 is no rank"),
        ({"WORLD_SIZE": "2", "RANK": "-1"}, "RANK=-1 is no rank"),
        ({"WORLD_SIZE": "2", "RANK": "1", "LOCAL_RANK": "x"}, "LOCAL_RANK=x is not a whole number"),
        ({"OMPI_COMM_WORLD_SIZE": "2"}, "OMPI_COMM_WORLD_RANK is not set"),
        ({"SLURM_NTASKS": "2", "SLURM_PROCID": "5"}, "SLURM_PROCID=5 is no rank"),
    ],
)
def test_a_broken_environment_is_told_by_the_variable_at_fault(environment: dict[str, str], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_launch(environment)
    assert said in str(caught.value)
    assert caught.value.fix


@pytest.mark.parametrize(
    "words", [["tune", "builtin:iris"], ["evaluate", "r", "x.csv"], ["predict", "r", "x.csv", "-o", "p.csv"], ["report", "r"]]
)
@pytest.mark.parametrize("rank", [0, 1])
def test_a_command_that_writes_is_refused_and_only_rank_0_tells_all(
    words: list[str], rank: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", str(rank))
    assert main(words) == 2
    told = capsys.readouterr().err.splitlines()
    assert "WORLD_SIZE=2" in told[0]
    assert (len(told) == 1) == (rank == 1)
    assert rank == 1 or "this works in one process" in told[0]
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("words", [["train", "--help"], ["list"], ["schema"], ["--version"], ["resume", "-h"]])
def test_what_only_looks_works_in_every_process(
    words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "1")
    assert main(words) == 0
    assert capsys.readouterr().out


def test_tuning_is_refused_before_anything_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SLURM_STEP_NUM_TASKS", "4")
    monkeypatch.setenv("SLURM_PROCID", "0")
    data = torch.randn(16, 3), torch.randint(0, 2, (16,))
    calls = {
        "tune": lambda: tw.tune_batch_size(nn.Linear(3, 2), data, loss="cross_entropy"),
        "rate": lambda: tw.tune_learning_rate("builtin:iris", target="species"),
    }
    for call in calls.values():
        with pytest.raises(ConfigError, match="SLURM_STEP_NUM_TASKS=4: this works in one process"):
            call()
    assert not list(tmp_path.iterdir())


def test_a_trainer_of_one_process_does_not_train_in_each_of_several(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "0")
    with pytest.raises(ConfigError, match="this trainer was made for one process"):
        ensure_together(World())


def test_a_mistake_is_told_before_torch_is_imported(tmp_path: Path) -> None:
    program = "import sys; from trainwright.cli.main import main; sys.exit(main(['train', 'a.csv']) + 9 * ('torch' in sys.modules))"
    environment = {**os.environ, "WORLD_SIZE": "2", "RANK": "0"}
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "no file 'a.csv'" in done.stderr


ENDS = """
import atexit, sys, threading, time
from trainwright.parallel.leaving import leave
atexit.register(print, "handlers are called")
threading.Thread(target=lambda: (time.sleep(0.2), print("threads are waited for"))).start()
threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
print("and what was printed is shown", end="")
assert "torch" not in sys.modules
leave(3)
"""


def test_a_rank_ends_as_a_program_does() -> None:
    done = subprocess.run([sys.executable, "-c", ENDS], capture_output=True, text=True, timeout=30)
    assert done.returncode == 3 and done.stderr == ""
    assert done.stdout == "and what was printed is shownthreads are waited for\nhandlers are called\n"


OWN = """
from pathlib import Path

from trainwright.parallel.agent import Ending
from trainwright.parallel.launchers.base import Launcher
from trainwright.parallel.launchers.options import LaunchOptions

class Mine(Launcher):
    class Config(LaunchOptions):
        type: str = "mine"
        code: int = 1

    def run_command(self, command):
        Path("words").write_text(" ".join(command.words))
        return Ending(self.options.code, None)
"""


def test_a_launcher_of_ones_own_does_the_command_with_options_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(OWN)
    words = ("train", "builtin:iris", "run.dir=run", "launch.type=./mine.py:Mine")
    done = trainwright_command(*words, "launch.code=3", folder=tmp_path)
    assert done.returncode == 3, done.stderr
    assert "builtin:iris" in (tmp_path / "words").read_text()
    assert not (tmp_path / "run").exists()
    refused = trainwright_command(*words, "launch.cod=3", folder=tmp_path)
    assert refused.returncode == 2
    assert "did you mean 'code'" in refused.stderr

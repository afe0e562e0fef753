"""Groups whose members or whose command are killed go on to the same runs, whatever the number of jobs; what the disk refuses is said."""

from __future__ import annotations

import csv
import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from commands import command_process, trainwright_command

SHORT = [
    "trainer.batch_size=16",
    "trainer.trackers=[csv]",
    "evaluation.baselines=[]",
    "evaluation.importance=false",
    "evaluation.intervals=false",
    "model.combiner={type: concat, depth: 1, width: 8}",
    "trainer.early_stopping=null",
    "trainer.max_epochs=40",
    "trainer.checkpoint={every: 10 steps, min_interval: 0 s}",
]
FOLDS = ["sweep", "builtin:iris", "--folds", "3", *SHORT]
CLOCK = ("seconds", "samples_per_second")
SHARED = {"OMP_NUM_THREADS": "1"}


def measured(group: Path) -> dict[str, tuple[str, list[dict[str, str]]]]:
    """Member → the digest of its weights, and its curves without what a clock says."""
    found = {}
    for run in sorted(each.parent for each in group.glob("*/results.json")):
        with (run / "metrics.csv").open() as file:
            rows = [{name: value for name, value in row.items() if name not in CLOCK} for row in csv.DictReader(file)]
        found[run.name] = json.loads((run / "results.json").read_text())["weights_sha256"], rows
    return found


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A group that nothing interrupted, with one member at a time."""
    place = tmp_path_factory.mktemp("whole")
    done = trainwright_command(*FOLDS, "run.dir=group", "--jobs", "1", folder=place, limit=600, imports=True, **SHARED)
    assert done.returncode == 0, done.stderr
    return place / "group"


def until(said: str, holds: Callable[[], object], seconds: float = 240) -> None:
    ends = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < ends, said
        time.sleep(0.02)


def begun(place: Path, *more: str) -> object:
    said = [place / "said.txt", place / "errors.txt"]
    process = command_process([*FOLDS, "run.dir=group", *more], place, {**os.environ, **SHARED}, said)
    process.start()
    return process


def is_free(run: Path) -> bool:
    """Whether no process writes a run."""
    return "running" not in json.loads(trainwright_command("runs", str(run), "--json").stdout)[0]["status"]


@pytest.mark.slow
def test_runs_are_the_same_whatever_the_jobs(whole: Path, tmp_path: Path) -> None:
    done = trainwright_command(*FOLDS, "run.dir=group", "--jobs", "3", folder=tmp_path, limit=600, **SHARED)
    assert done.returncode == 0, done.stderr
    assert "3 runs in group, 3 at a time, 1 thread each" in done.stdout
    assert measured(tmp_path / "group") == measured(whole)
    alone = ["train", str(whole / "fold=1.yaml"), "run.dir=alone"]
    assert trainwright_command(*alone, folder=tmp_path, limit=300, **SHARED).returncode == 0
    assert json.loads((tmp_path / "alone" / "results.json").read_text())["weights_sha256"] == measured(whole)["fold=1"][0]


@pytest.mark.slow
def test_a_group_whose_command_is_killed_goes_on_to_the_same_runs(whole: Path, tmp_path: Path) -> None:
    process = begun(tmp_path, "--jobs", "2")
    group = tmp_path / "group"
    until("no checkpoint was written", lambda: list(group.glob("fold=0/checkpoints/step-*")))
    process.kill()  # type: ignore[attr-defined]
    process.join(60)  # type: ignore[attr-defined]
    until("members went on without their command", lambda: all(is_free(each.parent) for each in group.glob("*/run.json")))
    assert len(list(group.glob("*/results.json"))) < 3
    refused = trainwright_command("sweep", str(group), "trainer.max_epochs=3")
    assert refused.returncode == 2 and "goes on as it was begun" in refused.stderr
    again = trainwright_command("sweep", str(group), limit=600, **SHARED)
    assert again.returncode == 0, again.stdout + again.stderr
    assert "going on with" in again.stdout and measured(group) == measured(whole)


@pytest.mark.slow
def test_one_killed_member_is_told_and_the_others_go_on(whole: Path, tmp_path: Path) -> None:
    process = begun(tmp_path, "--jobs", "2")
    group = tmp_path / "group"
    until("no checkpoint was written", lambda: list(group.glob("fold=0/checkpoints/step-*")))
    other = trainwright_command("sweep", str(group), **SHARED)
    assert other.returncode == 2 and "holds its lock" in other.stderr
    os.kill(int((group / "fold=0" / ".lock").read_text()), signal.SIGKILL)
    process.join(600)  # type: ignore[attr-defined]
    said = (tmp_path / "said.txt").read_text()
    assert process.exitcode == 1, said  # type: ignore[attr-defined]
    assert "fold=0  killed (SIGKILL)" in said and said.count("finished  (") == 2
    assert "not finished, and in no mean: 1 interrupted (fold=0)" in said
    again = trainwright_command("sweep", str(group), limit=600, **SHARED)
    assert again.returncode == 0 and "fold=0  goes on" in again.stdout and "fold=1" not in again.stdout.partition("of each run")[0]
    assert measured(group) == measured(whole)


def test_a_folder_that_cannot_be_written_is_told_and_leaves_nothing(tmp_path: Path) -> None:
    done = trainwright_command("sweep", "builtin:iris", "--folds", "3", "run.dir=a/group", folder=tmp_path, largest=1000)
    assert done.returncode == 2 and "a/group" in done.stderr and "File too large" in done.stderr, done.stderr
    assert not list(tmp_path.iterdir())

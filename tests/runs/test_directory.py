"""The run directory, its lock and the list of runs."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from trainwright.config.errors import RunError
from trainwright.runs import lock
from trainwright.runs.directory import FORMAT, RunDirectory, folder_name
from trainwright.runs.listing import list_runs


def test_a_run_lies_under_its_name_and_start_time(tmp_path: Path) -> None:
    with RunDirectory.create(name="titanic/survived", root=str(tmp_path)) as run:
        assert run.path.parent == tmp_path / "titanic-survived"
        assert run.status == "created"
        assert json.loads((run.path / "run.json").read_text())["format"] == FORMAT


def test_two_runs_of_the_same_second_get_two_places(tmp_path: Path) -> None:
    runs = [RunDirectory.create(name="x", root=str(tmp_path)) for _ in range(3)]
    assert len({run.path for run in runs}) == 3


def test_an_explicit_directory_is_used_as_it_is_and_may_exist_empty(tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    assert RunDirectory.create(str(tmp_path / "here")).path == tmp_path / "here"


@pytest.mark.parametrize(("name", "fix"), [("run.json", "--resume"), ("thesis.tex", "another place")])
def test_a_directory_in_use_is_refused_and_left_alone(tmp_path: Path, name: str, fix: str) -> None:
    (tmp_path / name).write_text('{"format": 1}')
    with pytest.raises(RunError) as caught:
        RunDirectory.create(str(tmp_path))
    assert fix in str(caught.value)
    assert caught.value.exit_code == 2
    assert [each.name for each in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("inside", ["file", "file/deeper/still"])
def test_a_place_below_a_file_is_refused_and_nothing_is_half_made(tmp_path: Path, inside: str) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError):
        RunDirectory.create(str(tmp_path / inside))
    assert [each.name for each in tmp_path.iterdir()] == ["file"]


def test_a_full_disk_is_said_and_nothing_is_half_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(RunError, match="disk is full"):
        RunDirectory.create(str(tmp_path / "a" / "b" / "run"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("existed", [False, True])
def test_a_disk_that_is_full_when_the_lock_is_written_leaves_nothing(
    existed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    place = tmp_path / "a" / "run"
    if existed:
        place.mkdir(parents=True)
    monkeypatch.setattr(lock.os, "write", full)
    with pytest.raises(RunError, match="disk is full"):
        RunDirectory.create(str(place))
    assert list(tmp_path.rglob("*")) == ([place.parent, place] if existed else [])


@pytest.mark.parametrize("inside", ["outer/inner", "outer/a/b"])
def test_a_run_is_not_made_inside_another(inside: str, tmp_path: Path) -> None:
    RunDirectory.create(str(tmp_path / "outer")).close()
    with pytest.raises(RunError, match="inside another") as error:
        RunDirectory.create(str(tmp_path / inside))
    assert "outer is a run" in error.value.why and not (tmp_path / inside).exists()


def test_a_name_whose_folder_is_itself_a_run_takes_no_runs(tmp_path: Path) -> None:
    RunDirectory.create(str(tmp_path / "runs" / "mine")).close()
    with pytest.raises(RunError, match="inside another"):
        RunDirectory.create(name="mine", root=str(tmp_path / "runs"))


def test_a_place_without_permission_is_refused() -> None:
    with pytest.raises(RunError, match="cannot write"):
        RunDirectory.create("/proc/trainwright/run")


def test_two_writers_are_refused_across_processes_and_the_lock_dies_with_its_process(tmp_path: Path) -> None:
    script = "from trainwright.runs.directory import RunDirectory; "
    script += f"run = RunDirectory.create({str(tmp_path / 'run')!r}); print('up', flush=True); input()"
    other = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True)
    assert other.stdout is not None and other.stdout.readline() == "up\n"
    with pytest.raises(RunError, match=f"process {other.pid}"):
        RunDirectory.create(str(tmp_path / "run"), resume=True)
    assert RunDirectory.open(tmp_path / "run").alive
    other.send_signal(signal.SIGKILL)
    other.communicate()
    with RunDirectory.create(str(tmp_path / "run"), resume=True) as run:
        assert run.resumed


def test_a_forked_child_does_not_keep_the_lock(tmp_path: Path) -> None:
    run = RunDirectory.create(str(tmp_path / "run"))
    child = os.fork()
    if child == 0:
        time.sleep(5)
        os._exit(0)
    try:
        run.close()
        time.sleep(0.1)
        RunDirectory.create(str(tmp_path / "run"), resume=True).close()
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def test_resuming_continues_what_is_there_and_starts_what_is_not(tmp_path: Path) -> None:
    place = str(tmp_path / "run")
    with RunDirectory.create(place, resume=True) as run:
        assert not run.resumed
        run.status = "interrupted"
    with RunDirectory.create(place, resume=True) as run:
        assert run.resumed and run.status == "interrupted"


def test_resuming_by_name_takes_the_latest_run(tmp_path: Path) -> None:
    for _ in range(2):
        RunDirectory.create(name="x", root=str(tmp_path)).close()
    latest = max((tmp_path / "x").iterdir(), key=lambda path: json.loads((path / "run.json").read_text())["created"])
    assert RunDirectory.create(name="x", root=str(tmp_path), resume=True).path == latest


def test_a_folder_of_runs_opens_its_latest_and_says_so(tmp_path: Path) -> None:
    runs = [RunDirectory.create(name="x", root=str(tmp_path)) for _ in range(2)]
    found = RunDirectory.open(tmp_path / "x")
    assert found.path == runs[1].path
    assert "latest run of 2" in found.note
    assert RunDirectory.open("x", root=str(tmp_path)).path == runs[1].path


@pytest.mark.parametrize(
    ("text", "said"), [("{", "damaged"), ("[]", "damaged"), ('{"format": 99, "version": "9"}', "newer"), (None, "not a run directory")]
)
def test_a_directory_that_is_no_usable_run_is_explained(tmp_path: Path, text: str | None, said: str) -> None:
    if text is not None:
        (tmp_path / "run.json").write_text(text)
    with pytest.raises(RunError, match=said) as caught:
        RunDirectory.open(tmp_path)
    assert caught.value.fix


def test_a_file_and_an_absent_path_are_explained(tmp_path: Path) -> None:
    with RunDirectory.create(str(tmp_path / "run")) as run:
        with pytest.raises(RunError, match="a file"):
            RunDirectory.open(run.path / "run.json")
        with pytest.raises(RunError, match="no such run"):
            RunDirectory.open(tmp_path / "nothing")


def test_json_has_no_nan_and_is_replaced_whole(tmp_path: Path) -> None:
    import numpy as np

    with RunDirectory.create(str(tmp_path / "run")) as run:
        run.write_json(
            "x.json", {"a": float("nan"), "b": np.float32(0.5), "c": np.arange(3), "d": [float("inf")], 5: Path("p"), "e": "\ud800"}
        )
        assert run.read_json("x.json") == {"a": None, "b": 0.5, "c": [0, 1, 2], "d": [None], "5": "p", "e": "\ud800"}
        assert not list(run.path.glob("*.tmp"))


def test_runs_are_listed_newest_first_with_their_headline(tmp_path: Path) -> None:
    with RunDirectory.create(name="a", root=str(tmp_path)) as first:
        first.update(status="finished", targets=["y"])
        first.write_json("results.json", {"format": 1, "metrics": {"test": {"y": {"accuracy": 0.9}}}})
    RunDirectory.create(name="b", root=str(tmp_path)).close()
    (tmp_path / "c" / "broken").mkdir(parents=True)
    (tmp_path / "c" / "broken" / "run.json").write_text("{")
    found = {run["name"]: run for run in list_runs(tmp_path)}
    assert (found["a"]["status"], found["a"]["metric"], found["a"]["value"], found["a"]["target"]) == ("finished", "accuracy", 0.9, "y")
    assert found["b"]["status"] == "interrupted"
    assert found["c"]["status"] == "unreadable"
    assert next(run["name"] for run in list_runs(tmp_path)) == "b"


def test_no_runs_are_an_empty_list(tmp_path: Path) -> None:
    assert list_runs(tmp_path / "runs") == []


@pytest.mark.parametrize("name", ["", "..", "/", "a/b", "  ", "é" * 300, "-x"])
def test_a_name_becomes_one_ordinary_folder(name: str) -> None:
    folder = folder_name(name)
    assert folder and "/" not in folder and folder not in (".", "..") and len(folder.encode()) <= 120 and not folder.startswith("-")

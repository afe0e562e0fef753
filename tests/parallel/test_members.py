"""Members of a run come and go, as real processes: the run goes on with those that are there, and ends with the weights of one that nothing
happened to."""

from __future__ import annotations

import json
import signal
import socket
from pathlib import Path

import pytest
from elastic_runs import Command, acting, assert_same_run, make_folder, rows, starts, wait_for, words

from commands import trainwright_command
from trainwright.engine.events import read_events

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_folder(tmp_path_factory.mktemp("members"))


@pytest.fixture(scope="module")
def whole(folder: Path) -> Path:
    """A run of one process that nothing happens to."""
    done = trainwright_command(*words("whole"), folder=folder)
    assert done.returncode == 0, done.stderr
    return folder / "whole"


def test_members_come_and_go_and_the_run_ends_as_if_it_had_been_alone(folder: Path, whole: Path) -> None:
    (folder / "slow").touch()
    run, asked = folder / "elastic", words("elastic", "launch.min=1", "launch.max=2", pause=0.8)
    first = Command(folder, "first", *asked)
    wait_for(lambda: starts(run), first)
    second = Command(folder, "second", *asked)
    wait_for(lambda: starts(run)[-1]["ranks"] == 2, first, second)
    third = Command(folder, "third", *asked)
    wait_for(lambda: "waits for a place: 2 take part (launch.max=2)" in third.said, first, third)
    stranger = Command(folder, "stranger", *asked, "trainer.optimizer.learning_rate=0.1")
    assert stranger.end() == 2, "it is refused"
    assert "trainer.optimizer.learning_rate is 0.1 here, and 0.001 there" in stranger.said
    second.kill()
    wait_for(lambda: len(starts(run)) == 3, first, third)
    first.kill(signal.SIGTERM)
    wait_for(lambda: len(starts(run)) == 4, first, third)
    (folder / "slow").unlink()
    assert first.end() == 75, first.said
    assert "saved at step" in first.said
    assert third.end() == 0, third.said
    assert [(each["ranks"], each.get("members", 1)) for each in starts(run)] == [(1, 1), (2, 2), (2, 2), (1, 1)]
    changes = [each for each in read_events(run) if each["event"] == "membership"]
    assert [(each["before"], each["ranks"]) for each in changes] == [(1, 2), (2, 2), (2, 1)]
    host = socket.gethostname()
    lost = f"member 2 ({host}) was lost; member 3 ({host}) joined"
    assert [each["because"] for each in changes] == [f"member 2 ({host}) joined", lost, f"member 1 ({host}) left"]
    said = (run / "log.txt").read_text()
    assert "members: 1 → 2 ranks" in said and "members: 2 → 1 ranks" in said
    report = (run / "report.html").read_text()
    assert "The ranks of this run began 4 times, 3 with other ranks or members than before." in report and lost in report
    assert_same_run(run, whole)
    assert not (folder / ".elastic.members").exists()


def test_a_stranger_to_members_that_were_all_lost_is_told_what_differs_and_leaves_theirs(folder: Path) -> None:
    (folder / "slow").touch()
    asked = words("orphaned", "launch.min=1", pause=0.5)
    first = Command(folder, "orphaned", *asked)
    wait_for(lambda: rows(folder / "orphaned") if (folder / "orphaned/metrics.csv").exists() else None, first)
    first.kill_all()
    first.process.join()
    stranger = Command(folder, "orphan-stranger", *asked, "trainer.optimizer.learning_rate=0.1")
    assert stranger.end() == 2
    assert "took part in this run with something else, and was lost" in stranger.said
    assert "trainer.optimizer.learning_rate is 0.1 here, and 0.001 there" in stranger.said
    (folder / "slow").unlink()
    again = Command(folder, "orphan-again", *asked)
    assert again.end() == 0, again.said
    assert len(starts(folder / "orphaned")) == 2


def test_members_on_several_machines_meet_by_the_network_and_the_first_may_be_lost(folder: Path, whole: Path) -> None:
    (folder / "slow").touch()
    run = folder / "machines"
    asked = words("machines", "launch.min=1", "launch.silence=2 s", "launch.address=127.0.0.1", pause=0.5)
    first = Command(folder, "machine-a", *asked, machine="a")
    wait_for(lambda: starts(run), first)
    second = Command(folder, "machine-b", *asked, machine="b")
    wait_for(lambda: starts(run)[-1]["ranks"] == 2, first, second)
    wait_for(lambda: rows(run) and int(rows(run)[-1]["step"]) > starts(run)[-1]["step"] + 2, first)
    first.kill_all()
    wait_for(lambda: starts(run)[-1]["ranks"] == 1, second)
    (folder / "slow").unlink()
    assert second.end() == 0, second.said
    assert [each["ranks"] for each in starts(run)] == [1, 2, 1]
    assert "was lost" in starts(run)[-1]["because"]
    assert_same_run(run, whole)
    again = trainwright_command(*asked, "--resume", folder=folder)
    assert again.returncode == 0 and "this run is finished" in again.stderr


def test_ranks_begin_again_when_one_was_killed_and_when_one_hangs(folder: Path, whole: Path) -> None:
    run, said = folder / "restarted", "rank 0: the process was killed (SIGKILL)"
    both = acting(rank=0, step=25, how="kill in a save", mark="mark-kill"), acting(rank=1, step=48, how="sleep", mark="mark-sleep")
    asked = words("restarted", "--devices", "2", "launch.restarts=2", f"trainer.callbacks=[{', '.join(both)}]")
    hang = ["trainer.recovery.watchdog=2 s", "trainer.recovery.hang=end"]
    done = trainwright_command(*asked, *hang, folder=folder, OMP_NUM_THREADS="1")
    assert done.returncode == 0, done.stderr
    assert f"{said}; all ranks begin again from step 20 (restart 1 of 2)" in done.stderr
    assert "trainer.recovery.hang=end: no step has ended for 2 s; all ranks begin again from step 45 (restart 2 of 2)" in done.stderr
    assert [(each["ranks"], each["step"], each.get("restarts", 0)) for each in starts(run)] == [(2, 0, 0), (2, 20, 1), (2, 45, 2)]
    assert next(each["because"] for each in read_events(run) if each["event"] == "restart") == said
    assert f"restart 1 of 2, from step 20: {said}" in (run / "log.txt").read_text()
    told = json.loads((run / "logs/rank-0.error.json").read_text())
    assert said.endswith(told["message"]["message"])
    told = json.loads((run / "logs/rank-0.start-2.error.json").read_text())
    assert "the others wait for rank 1: step 49" in told["trainwright"]["told"][0]["why"]
    assert_same_run(run, whole)


def test_what_fails_again_and_again_is_told_once_with_how_often(folder: Path) -> None:
    asked = words("hopeless", "launch.restarts=2", rank=0, step=8, how="overstay", times=9, mark="mark-hopeless")
    done = trainwright_command(*asked, folder=folder)
    assert done.returncode == 1
    assert done.stderr.count("error: a short block took longer than 0.5 s") == 1
    assert "own.py" in done.stderr.partition("error: a short")[2].partition("fix:")[0], "where it was"
    assert "note: all ranks were started again 2 times (launch.restarts=2); no checkpoint was written since" in done.stderr
    logs = sorted(each.name for each in (folder / "hopeless/logs").iterdir())
    assert logs == ["rank-0.error.json", "rank-0.start-2.error.json", "rank-0.start-3.error.json"]


def test_a_wrong_request_is_never_started_again(folder: Path) -> None:
    done = trainwright_command(*words("wrong", "launch.restarts=3", "targets=[nothing]"), folder=folder)
    assert done.returncode == 2
    assert "begin again" not in done.stderr and not (folder / "wrong").exists()


def test_torchrun_begins_all_again_and_tells_the_cause_with_its_code(folder: Path, whole: Path) -> None:
    run = folder / "torchrun"
    asked = words("torchrun", "--devices", "2", "launch=torchrun", "launch.restarts=2", rank=1, step=23, how="raise", mark="mark-torchrun")
    done = trainwright_command(*asked, folder=folder)
    assert done.returncode == 0, done.stderr
    said = "rank 1: ValueError: the sensor is off"
    assert f"restart 1 of 2, from step 20: {said}" in (run / "log.txt").read_text()
    assert "the sensor is off" in json.loads((run / "logs/rank-1.error.json").read_text())["message"]["message"]
    assert_same_run(run, whole)
    wrong = trainwright_command(*words("wrong", "launch=torchrun", "launch.restarts=3", "targets=[nothing]"), folder=folder)
    assert wrong.returncode == 2 and wrong.stderr.count("target 'nothing' is not a column") == 1
    assert "Traceback" not in wrong.stderr


def test_agents_of_torchrun_come_and_are_killed(folder: Path, whole: Path) -> None:
    (folder / "slow").touch()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        place = f"localhost:{free.getsockname()[1]}"
    run = folder / "agents"
    asked = words("agents", "--resume", "launch=torchrun", "launch.max=2", "launch.restarts=3", f"launch.rendezvous={place}", pause=0.5)
    first = Command(folder, "agent-1", *asked)
    wait_for(lambda: starts(run), first)
    second = Command(folder, "agent-2", *asked)
    wait_for(lambda: starts(run)[-1]["ranks"] == 2, first, second)
    wait_for(lambda: rows(run) and int(rows(run)[-1]["step"]) > starts(run)[-1]["step"] + 2, first)
    second.kill_all()
    wait_for(lambda: starts(run)[-1]["ranks"] == 1, first)
    (folder / "slow").unlink()
    assert first.end() == 0, first.said
    assert [each["ranks"] for each in starts(run)] == [1, 2, 1]
    assert_same_run(run, whole)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (["launch.min=3", "launch.max=2", "run.dir=x"], "min is 3 and max is 2: no number is both"),
        (["launch.max=2"], "launch.min and launch.max need run.dir"),
        (["launch.restarts=-1"], "launch.restarts"),
        (["launch=external", "launch.max=2"], "launch.max"),
        (["launch=external", "launch.restarts=1"], "launch.restarts"),
        (["launch=slurm", "launch.max=2"], "launch.max"),
        (["launch=torchrun", "launch.max=2", "run.dir=x"], "2 agents of torchrun have to be told where they meet"),
        (["launch=torchrun", "launch.restarts=2"], "torchrun starts again what has a place"),
        (["launch=torchrun", "launch.rendezvous=a b"], "is no place where agents can meet"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_started(settings: list[str], said: str, folder: Path) -> None:
    before = set(folder.iterdir())
    done = trainwright_command("train", "t.csv", "--target", "y", *settings, folder=folder)
    assert done.returncode == 2 and said in done.stderr and "fix:" in done.stderr and "Traceback" not in done.stderr
    assert set(folder.iterdir()) == before

"""Processes of one machine are watched: the first cause is told once, the rest do not stay behind, signals and exit codes go through."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from trainwright.config.errors import Interrupted, RunError, TrainwrightError
from trainwright.parallel import agent as watching
from trainwright.parallel import signals
from trainwright.parallel.agent import Agent, Ending, failure_file
from trainwright.parallel.failures import Failure, RankLost, write_failure
from trainwright.parallel.rank_output import RankOutput
from trainwright.parallel.run_place import RUN

LOST = RankLost("another process of this run has ended, or did not come in time")
REFUSED = RunError("this place is taken", where="x", fix="choose another")


class Forked:
    """A process that runs `work`, whose exit code is what that gives."""

    def __init__(self, work: Callable[[], int]) -> None:
        self.code: int | None = None
        self.pid = os.fork()
        if self.pid == 0:
            code = 99
            try:
                for number in signals.PASSED_ON:
                    signal.signal(number, signal.SIG_DFL)
                code = work()
            finally:
                os._exit(code)

    def poll(self) -> int | None:
        if self.code is None:
            done, status = os.waitpid(self.pid, os.WNOHANG)
            self.code = os.waitstatus_to_exitcode(status) if done else None
        return self.code


def fails(folder: Path, rank: int, error: TrainwrightError, after: float = 0.0) -> Callable[[], int]:
    def work() -> int:
        time.sleep(after)
        write_failure(Failure.of(rank, error), [failure_file(folder, rank)])
        return error.exit_code

    return work


def waits(seconds: float = 60.0, code: int = 0) -> Callable[[], int]:
    def work() -> int:
        time.sleep(seconds)
        return code

    return work


def kills(number: int) -> Callable[[], int]:
    def work() -> int:
        os.kill(os.getpid(), number)
        return 0

    return work


def ending(folder: Path, *works: Callable[[], int]) -> Ending:
    return Agent([Forked(each) for each in works], folder).wait()


@pytest.fixture(autouse=True)
def in_haste(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "GRACE", 0.2)
    monkeypatch.setattr(watching, "KILL", 0.3)


def test_a_run_that_ends_well_has_no_cause(tmp_path: Path) -> None:
    assert ending(tmp_path, waits(0), waits(0.1)) == Ending(0, None)


def test_the_cause_is_told_and_not_what_came_of_it(tmp_path: Path) -> None:
    found = ending(tmp_path, fails(tmp_path, 0, LOST), fails(tmp_path, 1, TrainwrightError("the sensor is off"), after=0.1))
    assert found.failure is not None
    assert found.failure.told[0].what == "the sensor is off"
    assert (found.code, found.failure.told[0].where) == (1, "rank 1")


def test_what_every_rank_meets_is_told_as_by_one_process(tmp_path: Path) -> None:
    found = ending(tmp_path, fails(tmp_path, 0, REFUSED, after=0.1), fails(tmp_path, 1, REFUSED))
    assert found.failure is not None
    assert (found.code, found.failure.told[0].where, found.failure.told[0].fix) == (2, "x", "choose another")


def test_a_rank_that_hears_of_nothing_is_ended(tmp_path: Path) -> None:
    def deaf() -> int:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        return waits()()

    began = time.monotonic()
    found = ending(tmp_path, deaf, fails(tmp_path, 1, TrainwrightError("broken"), after=0.2), waits())
    assert time.monotonic() - began < 10
    assert found.failure is not None
    assert (found.failure.rank, found.failure.told[0].what) == (1, "broken")


@pytest.mark.parametrize(
    ("work", "said"),
    [
        (kills(signal.SIGKILL), "the process was killed (SIGKILL)"),
        (kills(signal.SIGALRM), "the process ended by SIGALRM"),
        (waits(0, code=3), "the process ended with code 3"),
        (waits(0), "the process left the others in the middle of the run"),
    ],
)
def test_a_rank_that_ends_without_a_word_is_the_cause(work: Callable[[], int], said: str, tmp_path: Path) -> None:
    found = ending(tmp_path, fails(tmp_path, 0, LOST, after=0.2), work)
    assert found.failure is not None
    assert (found.failure.rank, found.failure.told[0].what) == (1, said)
    assert found.code == (3 if "code 3" in said else 1)


@pytest.mark.parametrize(("saves", "code"), [(True, 75), (False, 128 + signal.SIGTERM)])
def test_a_signal_reaches_every_rank_and_their_code_the_shell(saves: bool, code: int, tmp_path: Path) -> None:
    def rank(number: int) -> Callable[[], int]:
        def work() -> int:
            if saves:
                signal.signal(signal.SIGTERM, lambda *_: None)
                signal.pause()
                return fails(tmp_path, number, Interrupted("SIGTERM: stopped and saved at step 3"))()
            return waits()()

        return work

    threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGTERM)).start()
    found = ending(tmp_path, rank(0), rank(1))
    assert found.code == code
    assert (found.failure is not None) == saves
    assert found.failure is None or "step 3" in found.failure.told[0].what


def test_a_signal_that_comes_before_the_ranks_are_there_reaches_them_once(tmp_path: Path) -> None:
    def work() -> int:
        number = signal.sigwait({signal.SIGTERM})
        return fails(tmp_path, 0, Interrupted(f"signal {int(number)}, once: {signal.sigtimedwait({signal.SIGTERM}, 0.3) is None}"))()

    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})  # as the child has it: what comes is kept until it waits for it
    child = Forked(work)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    heard = signals.Signals()
    with heard.listening():
        os.kill(os.getpid(), signal.SIGTERM)
        found = Agent([child], tmp_path, signals=heard).wait()
        assert heard.came == [signal.SIGTERM]
    assert found.failure is not None and found.failure.told[0].what == f"signal {int(signal.SIGTERM)}, once: True"
    assert found.code == 75


def test_what_ranks_print_is_kept_with_the_run_and_shown_on_request(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    run, shown = tmp_path / "r", list[str]()

    def work() -> int:
        os.write(writing, b"before there is a run\n")
        run.mkdir()
        (tmp_path / RUN).write_text(str(run))
        os.write(writing, b"half a line")
        return 0

    child = Forked(work)
    os.close(writing)
    assert Agent([child], tmp_path, [RankOutput(1, reading, tmp_path, shown.append)]).wait().code == 0
    assert (run / "logs/rank-1.txt").read_text() == "before there is a run\nhalf a line"
    assert shown == ["[rank 1] before there is a run", "[rank 1] half a line"]


def test_a_failure_is_read_as_it_was_written_and_by_torchs_launcher(tmp_path: Path) -> None:
    import json

    error = RunError("taken", where="x", why="there is a run", fix="choose")
    error.add_note("a note")
    written = Failure.of(3, error, "Traceback …")
    write_failure(written, [tmp_path / "logs/e.json"])
    text = (tmp_path / "logs/e.json").read_text()
    assert Failure.from_json(text) == written
    assert json.loads(text)["message"]["extraInfo"]["timestamp"].isdigit()
    assert Failure.from_json('{"message": "of another library"}') is None
    assert str(written.told[0].as_error()) == str(error)


PARENT = """
import os, signal, subprocess, sys, threading, time
for _ in range(8):
    threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
child = subprocess.Popen([sys.executable, "-c", sys.argv[1], str(os.getpid())], stdout=subprocess.PIPE, process_group=0)
child.stdout.readline()
os.kill(os.getpid(), signal.SIGKILL)
"""
CHILD = """
import signal, sys, time
from pathlib import Path
from trainwright.parallel.child_environment import end_with_parent
heard = []
signal.signal(signal.SIGTERM, lambda number, frame: heard.append(number))
end_with_parent(int(sys.argv[1]))
print("ready", flush=True)
until = time.monotonic() + 20
while not heard and time.monotonic() < until:
    time.sleep(0.01)
time.sleep(0.5)
Path("heard").write_text(str(len(heard)))
"""


def test_a_rank_is_asked_once_to_end_when_a_launcher_of_many_threads_is_killed(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", PARENT, CHILD], cwd=tmp_path, check=False, timeout=60)
    until = time.monotonic() + 30
    while not (tmp_path / "heard").is_file() and time.monotonic() < until:
        time.sleep(0.05)
    assert (tmp_path / "heard").read_text() == "1"

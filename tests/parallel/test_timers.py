"""A block that takes longer than it may ends its process, whatever that is doing, and is told with where it was."""

from __future__ import annotations

import ctypes
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from torch.distributed.elastic import timer

import trainwright as tw
from trainwright.config.errors import ConfigError
from trainwright.engine.watchdog import Watchdog
from trainwright.parallel.agent import Agent, Ending
from trainwright.parallel.launched import OURS

THREAD = """
import time
import trainwright as tw

with tw.expires(after=30):
    for number in range(100):
        with tw.expires(after=20, name="short"):
            pass
    with tw.expires(after=0.2, name="the sensor"):
        with tw.expires(after=25):
            time.sleep(20)
"""


class Forked:
    """A process that does some work as rank 0 of our launcher."""

    def __init__(self, folder: Path, work: Callable[[], None]) -> None:
        self.code: int | None = None
        self.pid = os.fork()
        if self.pid == 0:
            try:
                signal.signal(signal.SIGTERM, signal.SIG_DFL)
                os.environ.update(
                    {OURS: str(folder), "RANK": "0", "WORLD_SIZE": "1", "TORCHELASTIC_ERROR_FILE": str(folder / "rank-0.json")}
                )
                work()
            finally:
                os._exit(0)

    def poll(self) -> int | None:
        if self.code is None:
            done, status = os.waitpid(self.pid, os.WNOHANG)
            self.code = os.waitstatus_to_exitcode(status) if done else None
        return self.code


def ending(folder: Path, work: Callable[[], None]) -> Ending:
    return Agent([Forked(folder, work)], folder).wait()


def sleeps_on() -> None:
    with tw.expires(after=0.3, name="the sensor"):
        time.sleep(60)


def holds_the_interpreter() -> None:
    with tw.expires(after=60), tw.expires(after=0.3, name="the sensor"):
        ctypes.PyDLL(None).sleep(60)  # no other thread of Python runs meanwhile


@pytest.mark.parametrize("work", [sleeps_on, holds_the_interpreter])
def test_who_waits_ends_a_process_that_overstays_also_one_whose_interpreter_is_stuck(work: Callable[[], None], tmp_path: Path) -> None:
    began = time.monotonic()
    found = ending(tmp_path, work)
    assert time.monotonic() - began < 5
    assert found.code == 1 and found.failure is not None
    told = found.failure.told[0]
    assert told.what == "the sensor took longer than 0.3 s"
    assert told.why.startswith("it was at File ") and told.why.endswith(f"in {work.__name__}")
    assert work.__name__ in found.failure.traceback


def test_blocks_that_end_in_time_are_left_alone_however_often_they_are_repeated(tmp_path: Path) -> None:
    def many() -> None:
        began = time.perf_counter()
        for _ in range(1000):
            with tw.expires(after=0.5), tw.expires(after=0.4):
                pass
        (tmp_path / "seconds").write_text(str(time.perf_counter() - began))
        time.sleep(0.7)

    assert ending(tmp_path, many) == Ending(0, None)
    assert float((tmp_path / "seconds").read_text()) < 2, "2,000 blocks: less than 1 ms each on a busy machine"


def test_without_a_launcher_a_thread_of_the_process_ends_it(tmp_path: Path) -> None:
    place = tmp_path / "error.json"
    done = subprocess.run(
        [sys.executable, "-c", THREAD],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "TORCHELASTIC_ERROR_FILE": str(place), "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert done.returncode == 1
    assert "error: the sensor took longer than 0.2 s" in done.stderr and "in <module>" in done.stderr
    assert json.loads(place.read_text())["message"]["message"] == "the sensor took longer than 0.2 s"


def test_a_watchdog_that_ends_a_run_writes_down_where_it_was(tmp_path: Path) -> None:
    def hangs() -> None:
        with Watchdog(0.2, lambda: 0, ends=True).watching():
            time.sleep(60)

    found = ending(tmp_path, hangs)
    assert found.code == 1 and found.failure is not None
    assert found.failure.told[0].what == "no step has ended for 0.2 s" and "hangs" in found.failure.traceback


def test_torchs_own_timers_are_left_alone() -> None:
    queue: Any = multiprocessing.get_context("fork").Queue()
    timer.configure(timer.LocalTimerClient(queue))
    with timer.expires(after=30), tw.expires(after=20):
        pass
    told = [queue.get(timeout=10) for _ in range(2)]
    assert [each.expiration_time > 0 for each in told] == [True, False], "begun and released, as torch does"


@pytest.mark.parametrize("after", [0, -1, float("inf"), float("nan"), True, "5 s"])
def test_a_time_that_is_none_is_refused(after: object) -> None:
    with pytest.raises(ConfigError, match="is no time"), tw.expires(after=after):  # type: ignore[arg-type]
        pass

"""Workers that are killed, at the worst moment or at random ones, and signals to the whole group: no step is lost or another."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent.parent / "engine"))
from decoded_rows import Augmented, Dying, Slow, decoded, rows
from engine_runs import same, table, weights

from trainwright.config.errors import TrainwrightError
from trainwright.engine.callbacks import Callback
from trainwright.engine.feed import Feed
from trainwright.engine.loader_options import LoaderOptions

pytestmark = pytest.mark.slow

ENGINE = Path(__file__).parent.parent / "engine"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Any]:
    """Weights and metrics of a run without workers."""
    folder = tmp_path_factory.mktemp("whole")
    trained, _ = decoded(folder, 0)
    return weights(trained), table(folder)


@pytest.fixture(scope="module")
def longer(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Any]:
    """The same of a run that is long enough to be ended by a signal."""
    folder = tmp_path_factory.mktemp("longer")
    trained, _ = decoded(folder, 0, max_epochs=10)
    return weights(trained), table(folder)


def worker_pids(session: Any) -> list[int]:
    workers = session.parts.feed._workers
    return [] if workers is None or workers._iterator is None else [process.pid for process in workers._iterator._workers]


class Kills(Callback):
    """Kills one worker after each of these steps."""

    def __init__(self, steps: set[int], seed: int = 0) -> None:
        self.steps, self.draw, self.killed = steps, random.Random(seed), 0

    def on_train_batch_end(self, session: Any, system: Any, batch: Any, index: int) -> None:
        if session.step in self.steps:
            os.kill(self.draw.choice(worker_pids(session)), signal.SIGKILL)
            self.killed += 1


@pytest.mark.parametrize("method", ["forkserver", "fork"])
def test_killed_workers_are_replaced_and_the_run_ends_the_same(
    method: str, whole: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    kills = Kills({2, 9, 17})
    trained, _ = decoded(tmp_path, 2, callbacks=[kills], loader={"start_method": method})
    assert kills.killed == 3
    assert same(weights(trained), whole[0])
    assert table(tmp_path) == whole[1]
    said = [each for each in caplog.messages if "a data worker died (killed by SIGKILL" in each]
    assert len(said) == 3


def test_a_row_that_kills_its_reader_three_times_is_read_at_the_fourth(whole: Any, tmp_path: Path) -> None:
    trained, _ = decoded(tmp_path / "run", 1, Dying(tmp_path / "deaths", 3))
    assert same(weights(trained), whole[0])
    assert table(tmp_path / "run") == whole[1]


def test_a_row_that_always_kills_its_reader_ends_the_run_by_name(tmp_path: Path) -> None:
    with pytest.raises(TrainwrightError, match="workers died 4 times over one batch") as error:
        # one batch at a time, so that no death falls on a batch whose answer was still on its way
        decoded(tmp_path / "run", 1, Dying(tmp_path / "deaths", 4), validated=False, loader={"prefetch": 1})
    assert "SIGKILL" in error.value.why
    assert error.value.exit_code == 1


SCRIPT = f"""
import sys
from pathlib import Path
sys.path.insert(0, {str(ENGINE)!r})
from decoded_rows import Slow, decoded
from trainwright.config.errors import Interrupted

if __name__ == "__main__":
    try:
        decoded(Path(sys.argv[1]), 2, Slow(), max_epochs=10)
    except Interrupted:
        sys.exit(75)
"""


def grandchildren(group: int) -> list[int]:
    """Processes of a process group, its leader aside."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and int(folder.name) != group:
            try:
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[2]) == group and fields[0] != "Z":
                found.append(int(folder.name))
    return found


@pytest.fixture
def script(tmp_path: Path) -> Path:
    file = tmp_path / "script.py"
    file.write_text(SCRIPT)
    return file


def begun(script: Path, run: Path) -> subprocess.Popen[str]:
    """The script as the leader of its own process group, once it has made some steps."""
    process = subprocess.Popen([sys.executable, str(script), str(run)], stderr=subprocess.PIPE, text=True, start_new_session=True)
    until = time.monotonic() + 90
    while not (run / "metrics.csv").exists() and process.poll() is None and time.monotonic() < until:
        time.sleep(0.02)
    return process


def wait_for(condition: Any, seconds: float) -> bool:
    until = time.monotonic() + seconds
    while not condition() and time.monotonic() < until:
        time.sleep(0.05)
    return bool(condition())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGUSR1])
def test_a_signal_to_the_whole_group_saves_the_run_and_leaves_no_worker(number: int, longer: Any, script: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    process = begun(script, run)
    assert len(grandchildren(process.pid)) >= 2
    os.killpg(process.pid, number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 75, errors
    assert "Traceback" not in errors
    assert wait_for(lambda: not grandchildren(process.pid), 10)
    trained, _ = decoded(run, 2, Slow(), resume=True, max_epochs=10)
    assert same(weights(trained), longer[0])
    assert table(run) == longer[1]


def test_workers_end_with_a_main_process_that_is_killed(script: Path, tmp_path: Path) -> None:
    process = begun(script, tmp_path / "run")
    left = grandchildren(process.pid)
    assert len(left) >= 2
    process.kill()
    process.communicate(timeout=30)
    assert wait_for(lambda: not grandchildren(process.pid), 15)


@pytest.fixture
def random_kills() -> Iterator[Any]:
    """A thread that kills a random worker of a session at three random moments: as many as one batch may cost."""
    over = threading.Event()

    def kill(session: Any, seed: int) -> None:
        draw = random.Random(seed)
        for _ in range(3):
            over.wait(draw.uniform(0.02, 1.0))
            while not over.wait(0.005) and not worker_pids(session):
                continue
            with suppress(ProcessLookupError, IndexError):
                os.kill(draw.choice(worker_pids(session)), signal.SIGKILL)

    def begin(session: Any, seed: int) -> None:
        threading.Thread(target=kill, args=(session, seed), daemon=True).start()

    yield begin
    over.set()


class Haunted(Callback):
    def __init__(self, begin: Any, seed: int) -> None:
        self.begin, self.seed = begin, seed

    def on_train_start(self, session: Any, system: Any) -> None:
        self.begin(session, self.seed)


@pytest.mark.parametrize("seed", range(int(os.environ.get("WORKER_KILLS", "2"))))
def test_workers_killed_at_random_moments_change_nothing(seed: int, random_kills: Any, whole: Any, tmp_path: Path) -> None:
    trained, _ = decoded(tmp_path, 2, callbacks=[Haunted(random_kills, seed)])
    assert same(weights(trained), whole[0])
    assert table(tmp_path) == whole[1]


def test_a_worker_that_dies_between_two_evaluations_is_replaced() -> None:
    data = rows(Augmented())
    feed = Feed(data, LoaderOptions(workers=2), 0, torch.device("cpu"))
    ahead = feed.in_order(data)
    batches = torch.arange(len(data)).split(8)
    expected = [data.take(each)["input"] for each in batches]
    try:
        for _ in range(3):
            assert all(torch.equal(ahead.take(each)["input"], one) for each, one in zip(batches, expected, strict=True))
            os.kill(ahead._workers._iterator._workers[0].pid, signal.SIGKILL)
    finally:
        feed.close()

"""How long a run stands still when a rank is killed, and when a member comes or is killed: with our own launcher and with torchrun.

    python -m benchmarks.elastic [--rounds 3] [--only restart|members|torchrun]

A rank writes the time at the end of every step. Standing still is counted from the kill, or from the moment when the member that comes is
ready, to the end of the first step after it. Beside it the time that a new process takes to import what a rank needs, and the load of the
machine; `nice -n -20` keeps other work from being measured.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

OWN = """
import json, os, signal, time
import trainwright as tw

class Clock(tw.Callback):
    every_rank = True

    def on_train_batch_end(self, session, system, batch, index):
        time.sleep(0.05)
        if session.world.rank == 0:
            with open("steps", "a") as file:
                file.write(json.dumps([time.time(), session.step, session.world.size, os.getpid()]) + chr(10))
        elif session.step % 10 == 5:
            with open("other.new", "w") as file:
                file.write(str(os.getpid()))
            os.replace("other.new", "other")
"""
SETTINGS = ["trainer.max_epochs=2000", "trainer.batch_size=8", "trainer.checkpoint.every=10 steps", "trainer.progress=none"]
SETTINGS += ["evaluation.baselines=[]", "evaluation.importance=false", "evaluation.report=false", "trainer.callbacks=[./own.py:Clock]"]
LIMIT = 180.0
IMPORT = "import trainwright.api.train, trainwright.cli.train"


class Run:
    """A run in a folder of its own, and the commands that take part in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        lines = [f"{number % 7},{number % 5},{'yes' if number % 7 > 3 else 'no'}" for number in range(120)]
        (folder / "t.csv").write_text("\n".join(["a,b,y", *lines]) + "\n")
        (folder / "own.py").write_text(OWN)
        self.commands: list[subprocess.Popen[bytes]] = []

    def start(self, *settings: str) -> subprocess.Popen[bytes]:
        words = ["train", "t.csv", "--target", "y", "run.dir=run", *SETTINGS, *settings]
        with (self.folder / "said").open("ab") as said:
            made = subprocess.Popen([sys.executable, "-m", "trainwright", *words], cwd=self.folder, stdout=said, stderr=said)
        self.commands.append(made)
        return made

    def steps(self) -> list[list[float]]:
        with suppress(OSError):
            return [json.loads(line) for line in (self.folder / "steps").read_text().splitlines(keepends=True) if line.endswith("\n")]
        return []

    def wait(self, what: Callable[[], bool]) -> None:
        ends = time.monotonic() + LIMIT
        while not what():
            if time.monotonic() > ends:
                raise SystemExit((self.folder / "said").read_text())
            time.sleep(0.01)

    def first_step(self, since: float, size: int) -> float:
        """Seconds from a moment to the end of the first step of so many ranks, in processes that were not there before."""
        before = {each[3] for each in self.steps() if each[0] < since}
        found: list[float] = []

        def there() -> bool:
            found[:] = [each[0] for each in self.steps() if each[0] > since and each[2] == size and each[3] not in before]
            return bool(found)

        self.wait(there)
        return found[0] - since

    def run_on(self, size: int, steps: int = 15) -> None:
        """Let it make a few steps with so many ranks."""
        self.wait(lambda: len([each for each in self.steps()[-steps:] if each[2] == size]) >= steps)


@contextmanager
def running() -> Iterator[Run]:
    with tempfile.TemporaryDirectory() as place:
        made = Run(Path(place))
        try:
            yield made
        finally:
            for each in made.commands:
                kill_all(each.pid)
                each.wait()


def kill_all(pid: int) -> None:
    """A process and all that it has started, at once."""
    parents = {}
    for each in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            parents[int(each.parent.name)] = int(each.read_text().rpartition(")")[2].split()[1])
    ending = [pid]
    for each in ending:
        ending += [child for child, parent in parents.items() if parent == each]
    for each in ending:
        with suppress(ProcessLookupError):
            os.kill(each, signal.SIGKILL)


def import_seconds() -> float:
    """What a new process takes to import all that a rank needs."""
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", IMPORT], check=True)
    return time.perf_counter() - began


def measure_restart(launch: tuple[str, ...]) -> float:
    with running() as run:
        run.start("launch.devices=2", "launch.restarts=9") if not launch else run.start(*launch, "launch.devices=2", "launch.restarts=9")
        run.run_on(2)
        since = time.time()
        os.kill(int((run.folder / "other").read_text()), signal.SIGKILL)
        return run.first_step(since, 2)


def measure_members() -> tuple[float, float]:
    """A member comes, and is killed with all that it has started."""
    with running() as run:
        asked = ("launch.min=1", "launch.max=2")
        run.start(*asked)
        run.run_on(1)
        second = run.start(*asked)
        run.wait(lambda: (run.folder / ".run.members/member-0002").exists())
        joined = run.first_step(time.time(), 2)
        run.run_on(2)
        since = time.time()
        kill_all(second.pid)
        return joined, run.first_step(since, 1)


def measure_agents() -> tuple[float, float]:
    """The same with two agents of torchrun; from the moment when the new one has imported torch."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        place = f"localhost:{free.getsockname()[1]}"
    with running() as run:
        asked = ("launch=torchrun", "launch.max=2", "launch.restarts=9", f"launch.rendezvous={place}", "--resume")
        run.start(*asked)
        run.run_on(1)
        second = run.start(*asked)
        interrupted = run.folder / "run/events.jsonl"
        run.wait(lambda: '"event": "signal"' in interrupted.read_text())
        joined = run.first_step(time.time(), 2)
        run.run_on(2)
        since = time.time()
        kill_all(second.pid)
        return joined, run.first_step(since, 1)


def tell(name: str, found: list[float], bound: str) -> None:
    print(
        f"{name:58} {statistics.median(found):5.1f} s  (of {len(found)}: {min(found):.1f} … {max(found):.1f})  wanted {bound}", flush=True
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=["restart", "members", "torchrun"])
    asked = parser.parse_args()
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors; a new process imports for {import_seconds():.1f} s")
    rounds = range(asked.rounds)
    if asked.only in (None, "restart"):
        tell("a rank is killed: to the next step", [measure_restart(()) for _ in rounds], "3 s beyond the import")
    if asked.only in (None, "members"):
        found = [measure_members() for _ in rounds]
        tell("a member comes", [each[0] for each in found], "6 s")
        tell("a member is killed", [each[1] for each in found], "6 s")
    if asked.only in (None, "torchrun"):
        tell("torchrun: a rank is killed", [measure_restart(("launch=torchrun",)) for _ in rounds], "12 s")
        found = [measure_agents() for _ in rounds]
        tell("torchrun: an agent comes, from the save on", [each[0] for each in found], "12 s")
        tell("torchrun: an agent is killed", [each[1] for each in found], "12 s")
    print(f"load {os.getloadavg()[0]:.1f} at the end")


if __name__ == "__main__":
    main()

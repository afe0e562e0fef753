"""What a worker of Ray Train does: it starts one rank in a process of its own, hands on what it prints and what it is told, and waits.

Nothing of Ray's runs in the process that trains, and nothing of the step waits for Ray.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainwright.parallel.agent import GRACE, INTERRUPTED, KILL, REFUSED, SAVED_GRACE, Agent, Child, Ending
from trainwright.parallel.child_environment import free_port, variables_of
from trainwright.parallel.elastic.again import words_again
from trainwright.parallel.failures import Failure, Told
from trainwright.parallel.launchers.on_ray.child import CALL
from trainwright.parallel.launchers.on_ray.mailbox import Ended, News
from trainwright.parallel.launchers.on_ray.request import Request
from trainwright.parallel.rank_output import RankOutput
from trainwright.parallel.run_place import RESUMED, RUN
from trainwright.parallel.shares import threads_each
from trainwright.parallel.start import MEETING, Start

LOOK = 0.1
"""Seconds between two questions whether the others have ended."""
TOGETHER = 5.0
"""Seconds in which the workers of failed ranks wait for each other, before Ray ends them all: the first cause may come second."""
SETTLED = (0, 2, 75)
"""Exit codes that Ray is not to start the run again for: done, a wrong request, interrupted and saved."""
PROGRAM = """import sys
sys.path[:] = {path!r}
{said}
from trainwright.parallel.launchers.on_ray.child import begin, do_call
begin({parent})
{work}
"""
COMMAND = "from trainwright.cli.main import main\nsys.exit(main())"


class RankFailed(Exception):
    """The rank of this worker has failed; raised so that Ray starts the workers again, as often as it is told to."""


@dataclass(frozen=True)
class Seat:
    """Where a worker is among those of one attempt."""

    rank: int
    size: int
    local_rank: int
    local_size: int
    node: int
    attempt: int
    run: str
    """The directory that an earlier attempt has left; empty for none."""
    because: str
    """What ended that attempt."""
    host: str
    """Where the ranks meet, and at which port, where they are on several machines."""
    port: int


def work(config: dict[str, Any]) -> None:
    """The training function of Ray Train's: raises RankFailed where the run is to be started again."""
    import ray

    request, mailbox = config["request"], config["mailbox"]
    seat = take_seat(mailbox)
    process = RankProcess(request, seat, mailbox)
    ended = process.wait()
    ray.get(mailbox.end.remote(seat.attempt, ended))
    failed = ended.code not in SETTLED and not process.asked
    if failed:
        _await_others(mailbox, seat)
    if len(ray.get(mailbox.watch.remote(seat.attempt, 0)).ended) == seat.size:
        shutil.rmtree(process.folder, ignore_errors=True)
    if failed:
        raise RankFailed(f"rank {seat.rank} ended with code {ended.code}")


def take_seat(mailbox: Any) -> Seat:
    """Which rank this worker has, and what rank 0 tells all of them."""
    import ray
    from ray.train import get_context
    from ray.train.collective import broadcast_from_rank_zero

    found = get_context()
    told: Any = None
    if found.get_world_rank() == 0:
        told = (*ray.get(mailbox.begin.remote()), _address_of_node(), free_port())
    attempt, run, because, host, port = broadcast_from_rank_zero(told)
    local, node = (found.get_local_rank(), found.get_local_world_size()), found.get_node_rank()
    return Seat(found.get_world_rank(), found.get_world_size(), *local, node, attempt, run, because, host, port)


def _address_of_node() -> str:
    import ray

    get_address: Callable[[], str] = ray.util.get_node_ip_address
    return get_address()


class RankProcess:
    """The process of a rank, seen from its worker."""

    def __init__(self, request: Request, seat: Seat, mailbox: Any) -> None:
        self.request, self.seat, self.mailbox = request, seat, mailbox
        self.folder = _shared_folder(request, seat)
        self._news = News()
        self._question: Any = None
        self._failed_since, self._run = 0.0, ""

    @property
    def asked(self) -> bool:
        """Whether a person has asked it to end."""
        return bool(self._news.signals)

    def wait(self) -> Ended:
        """Begin it, and say how it ended."""
        if not os.path.isdir(self.request.folder):
            return self._without_folder()
        process, outputs = self._start()
        agent = Agent([process], self.folder, outputs, first=self.seat.rank, beside=self._look)
        ending = agent.wait()
        self._look_at_run()
        return self._ended(ending)

    def _without_folder(self) -> Ended:
        """The command was given in a folder that this machine does not have."""
        where, folder = f"rank {self.seat.rank} ({socket.gethostname()})", self.request.folder
        fix = "give the command in a folder that every machine of the cluster sees under the same path"
        told = Told(f"'{folder}' is not on this machine", where, "the command was given there, and its paths are read from there", fix)
        return Ended(self.seat.rank, REFUSED, Failure(self.seat.rank, (told,), REFUSED).to_json())

    def _start(self) -> tuple[Child, list[Any]]:
        request, seat = self.request, self.seat
        if seat.run:
            (self.folder / RESUMED).write_text(seat.run, encoding="utf-8")
        path = [each for each in request.path if not each or os.path.exists(each)] or sys.path
        work, said = COMMAND, f"sys.argv[0] = {request.arguments[0]!r}"
        if request.command is None:
            _write_call(self.folder, request.call)
            work, said = f"do_call({str(self.folder)!r})", f"sys.argv[:] = {list(request.arguments)!r}"
        program = PROGRAM.format(path=path, said=said, parent=os.getpid(), work=work)
        line = [sys.executable, *request.interpreter, "-c", program, *words_of(request, seat)]
        out, err, outputs = self._pipes()
        into: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": out, "stderr": err}
        try:
            variables = variables_for(request, seat, self.folder)
            return subprocess.Popen(line, env=variables, cwd=request.folder, process_group=0, **into), outputs
        finally:
            for each in {out, err}:
                os.close(each)

    def _pipes(self) -> tuple[int, int, list[Any]]:
        """Where the rank prints: rank 0 on the driver's own streams, the others in a file of the run, and with `tee` there too."""
        if self.seat.rank == 0:
            (out, to_out), (err, to_err) = os.pipe(), os.pipe()
            return to_out, to_err, [Shown(out, self._show("stdout")), Shown(err, self._show("stderr"))]
        reading, writing = os.pipe()
        show = self._show("stderr")
        kept = RankOutput(self.seat.rank, reading, self.folder, (lambda line: show(f"{line}\n".encode())) if self.request.tee else None)
        return writing, writing, [kept]

    def _show(self, stream: str) -> Callable[[bytes], None]:
        return lambda content: self.mailbox.show.remote(stream, content)

    def _look(self, agent: Agent) -> None:
        self._look_at_run()
        self._hear(agent)
        self._end_after_others(agent)

    def _look_at_run(self) -> None:
        """Tell the driver once where the run is."""
        if self._run or self.seat.rank:
            return
        with suppress(OSError):
            self._run = (self.folder / RUN).read_text(encoding="utf-8")
        if self._run:
            self.mailbox.note_run.remote(self._run)

    def _hear(self, agent: Agent) -> None:
        """Take in what the driver or another worker says, without waiting for it."""
        import ray

        if self._question is None:
            self._question = self.mailbox.watch.remote(self.seat.attempt, self._news.version)
        ready, _ = ray.wait([self._question], timeout=0)
        if not ready:
            return
        self._news, self._question = ray.get(self._question), None
        for number in self._news.signals[len(agent.signals.came) :]:
            agent.signals.hear(number)

    def _end_after_others(self, agent: Agent) -> None:
        """Ask the rank to end once another has failed a while ago, and end it a while later."""
        failed = {code for code in self._news.ended.values() if code}
        if not failed:
            return
        now = time.monotonic()
        self._failed_since = self._failed_since or now
        grace = SAVED_GRACE if failed == {INTERRUPTED} else GRACE
        if now - self._failed_since >= grace:
            agent.leave()
        if now - self._failed_since >= grace + KILL:
            agent.stop()

    def _ended(self, ending: Ending) -> Ended:
        rank, result = self.seat.rank, self.folder / "result"
        if rank == 0 and ending.code == 0 and result.is_file():
            import ray

            ray.get(self.mailbox.keep_result.remote(result.read_bytes()))
        error = self.folder / f"rank-{rank}.error"
        failure = ending.failures[0].to_json() if ending.failures else ""
        return Ended(rank, ending.code, failure, error.read_bytes() if error.is_file() else b"")


class Shown:
    """The end of a pipe whose content is shown elsewhere as it comes, whole lines or not."""

    rank = 0

    def __init__(self, reading: int, show: Callable[[bytes], None]) -> None:
        self.reading, self.show, self.open, self._last = reading, show, True, b""
        os.set_blocking(reading, False)

    def read(self) -> bool:
        """Take in what has come; False when nothing had."""
        try:
            content = os.read(self.reading, 1 << 16)
        except BlockingIOError:
            return False
        if not content:
            self.open = False
            return False
        self._last = (self._last + content)[-4000:]
        self.show(content)
        return True

    def close(self) -> None:
        """Take in the rest."""
        while self.open and self.read():
            pass
        os.close(self.reading)

    @property
    def last(self) -> str:
        """The last lines."""
        return self._last.decode("utf-8", "replace")


def words_of(request: Request, seat: Seat) -> list[str]:
    """The command of a rank: after an earlier attempt, the one that goes on with its run."""
    command = request.command
    if command is None:
        return []
    words = words_again(command, Path(seat.run) if seat.run else None) if seat.attempt > 1 else command.words
    return [*words, *(["--traceback"] if command.whole else [])]


def variables_for(request: Request, seat: Seat, folder: Path) -> dict[str, str]:
    """The environment of a rank: that of its machine, with what the driver's has, and its place among the others."""
    threads = None if "OMP_NUM_THREADS" in request.variables else request.threads or threads_each(seat.local_size)
    own = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}  # which Ray has set for itself
    if not request.gpus:
        own["CUDA_VISIBLE_DEVICES"] = ""
    placed = variables_of(seat.rank, seat.size, folder, seat.port, threads, local=(seat.local_rank, seat.local_size))
    if seat.local_size < seat.size:
        placed[MEETING] = "env"
    placed |= Start(seat.attempt, seat.attempt - 1, request.restarts, because=seat.because).variables()
    return {**own, **request.variables, **placed, "GROUP_RANK": str(seat.node), "MASTER_ADDR": seat.host}


def _shared_folder(request: Request, seat: Seat) -> Path:
    """A folder that the ranks of this attempt on one machine have in common."""
    made = Path(tempfile.gettempdir()) / f"trainwright-ray-{request.token}-{seat.attempt}-{seat.node}"
    made.mkdir(mode=0o700, exist_ok=True)
    return made


def _write_call(folder: Path, call: Any) -> None:
    """The pickled call beside the other files, by whoever of this machine comes first."""
    import ray

    content = ray.get(call)
    part = folder / f"{CALL}-{os.getpid()}"
    part.write_bytes(content)
    os.replace(part, folder / CALL)


def _await_others(mailbox: Any, seat: Seat) -> None:
    """Wait a moment for the others to end too and say of what."""
    import ray

    ends = time.monotonic() + TOGETHER
    while time.monotonic() < ends and len(ray.get(mailbox.watch.remote(seat.attempt, 0)).ended) < seat.size:
        time.sleep(LOOK)

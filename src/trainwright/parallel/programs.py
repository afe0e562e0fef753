"""Processes of a program that calls `tw.fit` or `tw.train`: forked from it where that is safe, else begun anew and sent what they need."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import sys
import tempfile
import warnings
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import forkserver
from pathlib import Path
from typing import Any, TextIO

import torch

from trainwright.config.errors import EXIT_INTERRUPTED, EXIT_REQUEST, ConfigError, Interrupted, TrainwrightError
from trainwright.parallel.agent import Agent, Child, Ending, show_on_stderr
from trainwright.parallel.child_environment import end_with_parent, free_port, variables_of
from trainwright.parallel.commands import threads_for
from trainwright.parallel.elastic.again import failed, going_on_from, newest_step
from trainwright.parallel.launchers.base import Program, Work
from trainwright.parallel.launchers.options import LaunchOptions
from trainwright.parallel.rank_output import RankOutput
from trainwright.parallel.recording import record_failure
from trainwright.parallel.run_place import RESUMED, read_run
from trainwright.parallel.signals import Signals
from trainwright.parallel.start import Start, describe


class ProgramRank:
    """A process that `multiprocessing` has started."""

    def __init__(self, process: Any) -> None:
        self.process, self.pid = process, int(process.pid)

    def poll(self) -> int | None:
        """As of `subprocess.Popen`."""
        code: int | None = self.process.exitcode
        return code


@dataclass(frozen=True)
class Place:
    """What a process of a program is told of itself."""

    rank: int
    size: int
    folder: Path
    parent: int
    variables: dict[str, str]
    printed: Any
    """The connection into which it prints; None where it prints as the program does."""
    threads: int | None


def run_program(program: Program, options: LaunchOptions) -> Any:
    """What the work of a program gives on rank 0 of its processes, started again as often as `options` say; raises what ended them."""
    most, restarts, because = getattr(options, "restarts", 0), 0, ""
    run, signals = None, Signals()
    with signals.listening():
        while True:
            with tempfile.TemporaryDirectory(prefix="trainwright-ranks-") as place:
                start = Start(restarts + 1, restarts, most, because=because)
                if run is not None:
                    Path(place, RESUMED).write_text(str(run), encoding="utf-8")
                ending = _run_once(program, options, Path(place), start, signals)
                run = read_run(Path(place)) or run
                if restarts == most or signals.came or not failed(ending, signals.came):
                    return give_outcome(ending, Path(place))
            restarts, because = restarts + 1, describe(ending.failure)
            show_on_stderr(f"{because}; all ranks begin again {going_on_from(newest_step(run))} (restart {restarts} of {most})")


def _run_once(program: Program, options: LaunchOptions, folder: Path, start: Start, signals: Signals) -> Ending:
    """Start the processes of a program, wait for them, and say how they ended."""
    size, console, threads = program.size, program.console, program.threads
    context: Any = multiprocessing.get_context(program.method)
    port, each = free_port(), threads_for(size, threads)
    children: list[Child] = []
    processes, outputs = [], []
    for rank in range(size):
        reading, writing = _pipe(context, rank, console)
        told = {**variables_of(rank, size, folder, port, each), **start.variables()}
        there = Place(rank, size, folder, os.getpid(), told, writing, threads or each)
        process = context.Process(target=be_rank, args=(there, program.work), name=f"rank {rank}")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of forks beside threads, which `method` has looked at
            process.start()
        processes.append(process)
        children.append(ProgramRank(process))
        if reading is not None:
            writing.close()
            outputs.append(RankOutput(rank, os.dup(reading.fileno()), folder, *_choose_output(rank, options.tee, console)))
            reading.close()
    ending = Agent(children, folder, outputs, signals=signals, hurried=start.restarts < start.most).wait()
    for process in processes:
        process.join()
    return ending


def _pipe(context: Any, rank: int, console: TextIO | None) -> tuple[Any, Any]:
    if rank == 0 and console is None:
        return None, None
    reading, writing = context.Pipe(duplex=False)
    return reading, writing


def _choose_output(rank: int, tee: bool, console: TextIO | None) -> tuple[Callable[[str], None] | None, str, bool]:
    """Who sees what a rank prints, how its lines begin, and whether they are kept in a file."""
    if rank == 0 and console is not None:
        return (lambda line: _write(console, line)), "", False
    return (show_on_stderr if tee else None), f"[rank {rank}] ", True


def _write(console: TextIO, line: str) -> None:
    with suppress(OSError, ValueError):
        console.write(line + "\n")
        console.flush()


def be_rank(place: Place, work: Work) -> None:
    """The life of one process: it takes its place, works, and leaves what came of it in the launcher's folder."""
    with suppress(OSError):
        os.setpgid(0, 0)
    end_with_parent(place.parent)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.update(place.variables)
    forkserver._forkserver.__init__()  # type: ignore[misc]  # the parent's is no child of this process
    shown = _print_into(place)
    if place.threads is not None and place.threads < torch.get_num_threads():
        torch.set_num_threads(place.threads)
    code = _work(place, work, shown)
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):
            stream.flush()
    os._exit(code)


def _print_into(place: Place) -> TextIO | None:
    """Let what is printed go into the pipe; the stream for rank 0, which has one only where the program looks on in a way of its own."""
    if place.printed is None:
        return None
    for number in (1, 2):
        os.dup2(place.printed.fileno(), number)
    sys.stdout = open(1, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115
    return sys.stdout


def _work(place: Place, work: Work, shown: TextIO | None) -> int:
    try:
        found = work(place.folder, shown)
        if place.rank == 0:
            (place.folder / "result").write_bytes(pickle.dumps(found))
        return 0
    except KeyboardInterrupt:
        return 130
    except BaseException as error:  # noqa: BLE001  (raised in the program, as far as it comes through)
        failure = record_failure(error)
        with suppress(Exception):
            (place.folder / f"rank-{place.rank}.error").write_bytes(pickle.dumps(error))
        return failure.exit_code


def give_outcome(ending: Ending, folder: Path) -> Any:
    """What rank 0 gave, or the first cause raised: as the same error where it came through, else in its words."""
    if ending.code == 0:
        return pickle.loads((folder / "result").read_bytes())
    if ending.failure is None:
        raise KeyboardInterrupt
    error = _read_error(folder / f"rank-{ending.failure.rank}.error") or _in_words(ending)
    if ending.failure.traceback and not isinstance(error, TrainwrightError):
        error.add_note(f"in rank {ending.failure.rank}:\n{ending.failure.traceback}")
    raise error


def _read_error(place: Path) -> BaseException | None:
    try:
        found = pickle.loads(place.read_bytes())
    except Exception:  # noqa: BLE001  (an error of a person's own may not come through)
        return None
    return found if isinstance(found, BaseException) else None


def _in_words(ending: Ending) -> TrainwrightError:
    failure = ending.failure
    if failure is None:
        return TrainwrightError("the processes of this run have ended")
    kind = {EXIT_REQUEST: ConfigError, EXIT_INTERRUPTED: Interrupted}.get(failure.exit_code, TrainwrightError)
    return failure.told[0].as_error(kind)


def choose_method(device: str) -> str:
    """`fork`, or `spawn` where a forked process could not compute: there is no fork, or CUDA has begun in this one."""
    if "fork" not in multiprocessing.get_all_start_methods() or sys.platform == "darwin":
        return "spawn"
    return "fork" if device == "cpu" or not _has_gpu() or _starts_in_fork() else "spawn"


def _has_gpu() -> bool:
    return torch.version.cuda is not None and any(Path("/dev").glob("nvidia[0-9]*"))


def _starts_in_fork() -> bool:
    """Whether a forked process can begin CUDA, tried with one that ends at once."""
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        return False
    number = os.fork()
    if number == 0:
        code = 1
        with suppress(BaseException):
            torch.cuda.init()  # type: ignore[no-untyped-call]
            code = 0
        os._exit(code)
    return os.waitpid(number, 0)[1] == 0

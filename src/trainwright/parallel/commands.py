"""A command that is done in several processes of this machine: it is started once for each, and this process waits for them."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from trainwright.parallel.agent import Agent, Child, Ending, show_on_stderr
from trainwright.parallel.child_environment import free_port, variables_of
from trainwright.parallel.launchers.base import Command
from trainwright.parallel.launchers.options import LaunchOptions
from trainwright.parallel.rank_output import RankOutput
from trainwright.parallel.shares import threads_each

PROGRAM = """import sys
sys.path[:], sys.argv[0] = {path!r}, {name!r}
from trainwright.parallel.child_environment import end_with_parent
end_with_parent({parent})
from trainwright.cli.main import main
sys.exit(main())
"""
"""The command again, as its parent was started."""

Begin = Callable[[Sequence[str], Mapping[str, str], int | None], Child]
"""Begins a process: its words, the variables that it has beside those of this one, and where it prints."""


@dataclass(frozen=True)
class Ranks:
    """Those of the ranks of a run that are started here."""

    here: int
    first: int = 0
    """The rank of the first of them."""
    size: int = 0
    """Of the run; 0 where these are all."""
    on_machine: int = 0
    """How many share the machine with them, they among them; 0 where these are all."""
    more: tuple[tuple[str, str], ...] = ()
    """Variables for all of them."""

    def variables(self, place: int, folder: Path, port: int, threads: int) -> dict[str, str]:
        """What one of them is told; `threads` as the person asks for them, 0 for none."""
        each = threads_for(self.on_machine or self.here, threads)
        rank = self.first + place
        return variables_of(rank, self.size or self.here, folder, port, each, local=(place, self.here)) | dict(self.more)


def run_command(command: Command, size: int, options: LaunchOptions) -> Ending:
    """Start a command once for each rank, wait for all, and say how they ended."""
    with tempfile.TemporaryDirectory(prefix="trainwright-ranks-") as place:
        folder = Path(place)
        children, outputs = begin_ranks(words_of(command), Ranks(size), folder, options.tee, command.threads)
        return Agent(children, folder, outputs).wait()


def words_of(command: Command) -> list[str]:
    """What each process is to do."""
    return [*command.words, *(["--traceback"] if command.whole else [])]


def begin_ranks(
    words: Sequence[str], ranks: Ranks, folder: Path, tee: bool, threads: int = 0, begin: Begin | None = None
) -> tuple[list[Child], list[RankOutput]]:
    """Start `trainwright WORDS` once for each rank here; the processes, and what they print where that is not shown as it comes."""
    children: list[Child] = []
    outputs: list[RankOutput] = []
    port = free_port()
    for place in range(ranks.here):
        printed = _pipe(ranks.first + place, folder, tee)
        writing = None if printed is None else printed[1]
        children.append((begin or begin_process)(words, ranks.variables(place, folder, port, threads), writing))
        if printed is not None:
            os.close(printed[1])
            outputs.append(printed[0])
    return children, outputs


def begin_process(words: Sequence[str], variables: Mapping[str, str], printed: int | None) -> Child:
    """A new process, with a group of its own."""
    return subprocess.Popen(
        command_line(words), stdin=subprocess.DEVNULL, stdout=printed, stderr=printed, env={**os.environ, **variables}, process_group=0
    )


def command_line(words: Sequence[str]) -> list[str]:
    """`trainwright WORDS` as a program of this interpreter that is asked to end when this process has died."""
    program = PROGRAM.format(path=sys.path, name=sys.argv[0], parent=os.getpid())
    return [*python_again(), "-c", program, *words]


def python_again() -> list[str]:
    """This interpreter, with the options that it was started with."""
    return [sys.executable, *subprocess._args_from_interpreter_flags()]  # type: ignore[attr-defined]


def threads_for(size: int, asked: int) -> int | None:
    """Threads of each process; None where the person says how many."""
    return None if asked or os.environ.get("OMP_NUM_THREADS") else threads_each(size)


def _pipe(rank: int, folder: Path, tee: bool) -> tuple[RankOutput, int] | None:
    """Where a rank prints; None for rank 0, which prints where this process does."""
    if rank == 0:
        return None
    reading, writing = os.pipe()
    return RankOutput(rank, reading, folder, show_on_stderr if tee else None), writing

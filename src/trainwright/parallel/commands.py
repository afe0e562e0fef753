"""`--devices N`: the command is started N times on this machine, and this process waits for them."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from trainwright.parallel.agent import Agent, Ending, show_on_stderr
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


def run_command(command: Command, size: int, options: LaunchOptions) -> Ending:
    """Start a command once for each rank, wait for all, and say how they ended."""
    with tempfile.TemporaryDirectory(prefix="trainwright-ranks-") as place:
        folder, port = Path(place), free_port()
        line = command_line([*command.words, *(["--traceback"] if command.whole else [])])
        children, outputs = [], []
        for rank in range(size):
            printed = _pipe(rank, folder, options.tee)
            variables = {**os.environ, **variables_of(rank, size, folder, port, threads_for(size, command.threads))}
            writing = None if printed is None else printed[1]
            started = subprocess.Popen(line, stdin=subprocess.DEVNULL, stdout=writing, stderr=writing, env=variables, process_group=0)
            children.append(started)
            if printed is not None:
                os.close(printed[1])
                outputs.append(printed[0])
        return Agent(children, folder, outputs).wait()


def command_line(words: Sequence[str]) -> list[str]:
    """`trainwright WORDS` as a program of this interpreter that is asked to end when this process has died."""
    program = PROGRAM.format(path=sys.path, name=sys.argv[0], parent=os.getpid())
    return [sys.executable, *subprocess._args_from_interpreter_flags(), "-c", program, *words]  # type: ignore[attr-defined]


def threads_for(size: int, asked: int) -> int | None:
    """Threads of each process; None where the person says how many."""
    return None if asked or os.environ.get("OMP_NUM_THREADS") else threads_each(size)


def _pipe(rank: int, folder: Path, tee: bool) -> tuple[RankOutput, int] | None:
    """Where a rank prints; None for rank 0, which prints where this process does."""
    if rank == 0:
        return None
    reading, writing = os.pipe()
    return RankOutput(rank, reading, folder, show_on_stderr if tee else None), writing

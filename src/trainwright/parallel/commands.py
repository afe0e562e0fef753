"""`--devices N`: the command is started N times on this machine, and this process waits for them."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from trainwright.config.errors import ConfigError
from trainwright.parallel.agent import Agent, Ending, show_on_stderr
from trainwright.parallel.child_environment import free_port, variables_of
from trainwright.parallel.launch_options import LaunchConfig
from trainwright.parallel.rank_output import RankOutput
from trainwright.parallel.shares import cores, threads_each

MOST_PER_CORE = 8
"""Ranks for each processor beyond which a number is taken for a slip."""
PROGRAM = """import sys
sys.path[:], sys.argv[0] = {path!r}, {name!r}
from trainwright.parallel.child_environment import end_with_parent
end_with_parent({parent})
from trainwright.cli.main import main
sys.exit(main())
"""
"""The command again, as its parent was started."""


def count_devices(options: LaunchConfig, device: str) -> int:
    """How many processes to start. Raises ConfigError for more than the machine can have."""
    if options.devices == "auto":
        return 1 if device == "cpu" else max(1, _count_gpus())
    usable = cores()
    if options.devices > max(usable * MOST_PER_CORE, 2 * MOST_PER_CORE):
        why = f"this machine has {usable} processors, and each process wants one"
        fix = f"ask for {usable}, or fewer; several machines: torchrun or srun"
        raise ConfigError(f"{options.devices} processes are too many", where="launch.devices", why=why, fix=fix)
    return options.devices


def _count_gpus() -> int:
    import torch

    return torch.cuda.device_count()


def run_command(words: Sequence[str], size: int, options: LaunchConfig, threads: int = 0) -> Ending:
    """Start `trainwright WORDS` once for each rank, wait for all, and say how they ended."""
    with tempfile.TemporaryDirectory(prefix="trainwright-ranks-") as place:
        folder, port = Path(place), free_port()
        program = PROGRAM.format(path=sys.path, name=sys.argv[0], parent=os.getpid())
        command = [sys.executable, *subprocess._args_from_interpreter_flags(), "-c", program, *words]  # type: ignore[attr-defined]
        children, outputs = [], []
        for rank in range(size):
            printed = _pipe(rank, folder, options.tee)
            variables = {**os.environ, **variables_of(rank, size, folder, port, threads_for(size, threads))}
            writing = None if printed is None else printed[1]
            started = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=writing, stderr=writing, env=variables, process_group=0)
            children.append(started)
            if printed is not None:
                os.close(printed[1])
                outputs.append(printed[0])
        return Agent(children, folder, outputs).wait()


def threads_for(size: int, asked: int) -> int | None:
    """Threads of each process; None where the person says how many."""
    return None if asked or os.environ.get("OMP_NUM_THREADS") else threads_each(size)


def _pipe(rank: int, folder: Path, tee: bool) -> tuple[RankOutput, int] | None:
    """Where a rank prints; None for rank 0, which prints where this process does."""
    if rank == 0:
        return None
    reading, writing = os.pipe()
    return RankOutput(rank, reading, folder, show_on_stderr if tee else None), writing

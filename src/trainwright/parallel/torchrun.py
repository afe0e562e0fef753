"""torchrun with a process that waits for it: signals reach the ranks, and what they say of their failure is told, with its exit code."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from trainwright.parallel.agent import LOOK, Ending, explain_code
from trainwright.parallel.failures import first_cause, read_failure, with_rank
from trainwright.parallel.launched import TELLS
from trainwright.parallel.signals import Signals

PROGRAM = """import sys
sys.path[:], sys.argv[0] = {path!r}, {name!r}
from trainwright.parallel.child_environment import end_with_parent
end_with_parent({parent})
from trainwright.parallel.torchrun import be_torchrun
sys.exit(be_torchrun({codes!r}))
"""
RANK = """import sys
sys.path[:], sys.argv[0] = {path!r}, {name!r}
from trainwright.cli.main import main
sys.exit(main())
"""
CODES = "codes.json"
"""The file in which the exit codes are that torchrun has found."""
UNSHARED = "TORCH_DISABLE_SHARE_RDZV_TCP_STORE"
"""Without it agents that meet again on one machine wait for each other until both end (torch 2.13)."""


def run_torchrun(words: Sequence[str], flags: Sequence[str]) -> Ending:
    """Let torchrun do `trainwright WORDS`, and say how it ended."""
    from trainwright.parallel.commands import python_again

    with tempfile.TemporaryDirectory(prefix="trainwright-torchrun-") as place:
        program = PROGRAM.format(path=sys.path, name=sys.argv[0], parent=os.getpid(), codes=str(Path(place, CODES)))
        rank = [*python_again(), "-c", RANK.format(path=sys.path, name=sys.argv[0])]
        line = [*python_again(), "-c", program, *flags, f"--log-dir={place}", "--no-python", *rank, *words]
        variables = {**os.environ, UNSHARED: "1", TELLS: str(os.getpid())}
        signals = Signals()
        with signals.listening():
            process = subprocess.Popen(line, stdin=subprocess.DEVNULL, env=variables, process_group=0)
            with signals.hand_to(process.send_signal):
                while process.poll() is None:
                    time.sleep(LOOK)
        return ending_of(Path(place), process.returncode, signals.came)


def ending_of(folder: Path, code: int, heard: Sequence[int]) -> Ending:
    """The first cause of the last start, as the ranks have written it, or as their exit codes say."""
    if code == 0:
        return Ending(0, None)
    written = list(folder.glob("*/attempt_*/*/error.json"))
    last = max((_attempt(each) for each in written), default=0)
    failures = [found for each in written if _attempt(each) == last and (found := read_failure(each)) is not None]
    told = {each.rank for each in failures}
    failures += [explain_code(rank, exit_code, time.time()) for rank, exit_code in _codes(folder) if rank not in told]
    first = first_cause(failures)
    if first is None:
        return Ending(128 + heard[0] if heard else 1, None, failures)
    return Ending(first.exit_code, with_rank(first, failures, len({each.rank for each in failures})), failures)


def _attempt(path: Path) -> int:
    return int(path.parts[-3].rpartition("_")[2])


def _codes(folder: Path) -> list[tuple[int, int]]:
    try:
        return [(int(rank), int(code)) for rank, code in json.loads((folder / CODES).read_text()) if int(code)]
    except (OSError, ValueError):
        return []


def be_torchrun(codes: str) -> int:
    """torchrun itself, which writes the exit codes of ranks that failed down rather than a traceback of its own."""
    import logging

    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.run import main

    logging.disable(logging.ERROR)  # the first cause is told by the process that waits
    try:
        main(sys.argv[1:])
    except ChildFailedError as error:
        with suppress(OSError):
            Path(codes).write_text(json.dumps([[rank, each.exitcode] for rank, each in error.failures.items()]))
        return 1
    except SignalException:
        return 1
    return 0

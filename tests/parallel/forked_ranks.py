"""Two real processes over gloo, forked from the test so that torch is imported once."""

from __future__ import annotations

import os
import pickle
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from trainwright.parallel.distributed import DistributedWorld

LIMIT = 120.0
"""Seconds after which processes that have not ended are ended: what hangs fails."""


def on_ranks(folder: Path, work: Callable[[DistributedWorld, Path], Any], size: int = 2, limit: float = LIMIT) -> list[Any]:
    """What `work(world, folder)` gives on each rank; raises AssertionError with the traceback of a rank that failed."""
    folder.mkdir(parents=True, exist_ok=True)
    processes = [_forked(folder, work, rank, size) for rank in range(size)]
    _wait(processes, limit)
    found = [pickle.loads((folder / f"rank-{rank}").read_bytes()) for rank in range(size)]
    failures = [f"rank {rank}:\n{failure}" for rank, (_, failure) in enumerate(found) if failure is not None]
    assert not failures, min(failures, key=lambda each: "another process of this run has ended" in each)  # the cause, not what came of it
    return [result for result, _ in found]


def _forked(folder: Path, work: Callable[[DistributedWorld, Path], Any], rank: int, size: int) -> int:
    sys.stdout.flush()
    sys.stderr.flush()
    process = os.fork()
    if process:
        return process
    result = None
    try:
        torch.set_num_threads(1)  # the threads of the parent are not here
        os.environ["GLOO_SOCKET_IFNAME"] = "lo"
        world = DistributedWorld.join(f"file://{folder / 'meeting'}", rank, size, timeout=60)
        result = work(world, folder)
        world.close()
    finally:  # whatever was raised: nothing of the test goes on in a child
        failure = traceback.format_exc() if sys.exc_info()[0] else None
        (folder / f"rank-{rank}").write_bytes(pickle.dumps((result, failure)))
        os._exit(0)


def _wait(processes: list[int], limit: float) -> None:
    deadline = time.monotonic() + limit
    left = set(processes)
    while left:
        for process in list(left):
            ended, status = os.waitpid(process, os.WNOHANG)
            if ended:
                left.discard(process)
                assert status == 0, f"rank {processes.index(process)} ended with {os.waitstatus_to_exitcode(status)}"
        if left and time.monotonic() > deadline:
            for process in left:
                os.kill(process, signal.SIGKILL)
                os.waitpid(process, 0)
            raise AssertionError(f"{len(left)} of {len(processes)} ranks did not end in {limit:g} s")
        time.sleep(0.01)

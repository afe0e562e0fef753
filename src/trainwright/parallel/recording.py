"""What ends this process is written down for those who tell it, and looked up among the other ranks where nobody else tells it."""

from __future__ import annotations

import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from trainwright.config.errors import EXIT_FAILED, TrainwrightError
from trainwright.parallel.failures import Failure, as_told, error_file, write_failure
from trainwright.parallel.launched import read_launch
from trainwright.parallel.run_place import current_run, error_name

WAIT = 3.0
"""Seconds in which another rank that meets the same says so."""


def record_failure(error: BaseException, stack: str = "") -> Failure:
    """Write down what ends this process: for the launcher, in the run, and for the other ranks. `stack`: where it is, if not as raised."""
    joining = sys.modules.get("trainwright.parallel.joining")  # a wrong word on the command line is told without torch
    world = None if joining is None else joining.current_world()
    rank = read_launch().rank if world is None else world.rank
    shown = "" if isinstance(error, TrainwrightError) and error.exit_code != 1 else stack or "".join(traceback.format_exception(error))
    failure = Failure.of(rank, as_told(error), shown)
    run = current_run()
    kept = [run / error_name(rank)] if run is not None and run.is_dir() and failure.exit_code == EXIT_FAILED else []
    write_failure(failure, [*error_file(), *kept])
    if joining is not None and (store := joining.meeting_store()) is not None:
        with suppress(RuntimeError):  # the process that has the store may be gone
            store.set(f"failure/{rank}", failure.to_json())
    return failure


def failures_of_others(failure: Failure, size: int) -> list[Failure]:
    """What ended other ranks, as far as they say it within a few seconds: until rank 0 has, or any where this one only followed."""
    joining = sys.modules.get("trainwright.parallel.joining")
    store: Any = None if joining is None else joining.meeting_store()
    found: list[Failure] = []
    ends = time.monotonic() + WAIT
    while store is not None and time.monotonic() < ends:
        found = [each for rank in range(size) if rank != failure.rank and (each := _told_by(store, rank)) is not None]
        if any(each.rank == 0 or (failure.consequence and not each.consequence) for each in found):
            break
        time.sleep(0.1)
    return found


def _told_by(store: Any, rank: int) -> Failure | None:
    key = f"failure/{rank}"
    try:
        return Failure.from_json(store.get(key).decode()) if store.check([key]) else None
    except RuntimeError:
        return None


@contextmanager
def record_errors() -> Iterator[None]:
    """In a rank of several: an error that leaves the block is written down first."""
    try:
        yield
    except BaseException as error:
        record_failure(error)
        raise

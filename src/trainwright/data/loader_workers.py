"""The worker processes of a person's own DataLoader: how they die, and how they end."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from multiprocessing.connection import wait
from typing import Any

GRACE = 2.0
"""Seconds that all workers together have to end by themselves."""


def see_deaths_when_asked(iterator: Any) -> None:
    """Let the death of a worker be seen when its batch is awaited; torch raises from a signal's handler, which could tear a step."""
    if getattr(iterator, "_worker_pids_set", False):
        from torch.utils.data._utils import signal_handling

        signal_handling._remove_worker_pids(id(iterator))  # type: ignore[attr-defined]
        iterator._worker_pids_set = False


def end_workers(iterator: Any) -> None:
    """End the workers of an iterator, and kill those that hang: torch would wait five seconds for each, and for some at exit for ever."""
    workers = getattr(iterator, "_workers", None)
    done = getattr(iterator, "_workers_done_event", None)
    if not workers or done is None or getattr(iterator, "_shutdown", False):  # a pass that came to its end has ended them, and their queues
        return
    done.set()
    for queue in iterator._index_queues:
        queue.put(None)
    waiting, until = {each.sentinel for each in workers}, time.monotonic() + GRACE
    while waiting and (left := until - time.monotonic()) > 0:
        waiting -= set(wait(list(waiting), left))
    for each in workers:
        if each.sentinel in waiting:
            with suppress(ProcessLookupError):
                os.kill(each.pid, signal.SIGKILL)
    iterator._shutdown_workers()

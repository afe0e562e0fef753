"""A process forked from one whose torch has threads: none of them is forked, and it would wait for them for ever. It computes with one."""

from __future__ import annotations

import logging
import os
import threading

import torch

log = logging.getLogger("trainwright.engine")

TASKS = "/proc/self/task"
"""Where Linux lists the threads of this process."""


def _count_native() -> int:
    """Threads of this process that Python has not started, such as torch's; 0 where they cannot be counted."""
    try:
        return len(os.listdir(TASKS)) - threading.active_count()
    except OSError:
        return 0


class _Fork:
    """What is known of the fork that this process comes from."""

    def __init__(self) -> None:
        self.usual = _count_native()
        """Those that libraries start when they are imported, which see to forks themselves."""
        self.growing = self.lacks_threads = False

    def before(self) -> None:
        """In the process that forks."""
        self.growing = _count_native() > self.usual

    def in_child(self) -> None:
        """In the new process, which has one thread."""
        self.lacks_threads = self.lacks_threads or self.growing


_fork = _Fork()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_fork.before, after_in_child=_fork.in_child)


def compute_without_lost_threads() -> None:
    """Let torch compute with one thread in a process that was forked after torch had begun others; said once."""
    if not _fork.lacks_threads or torch.get_num_threads() == 1:
        return
    _fork.lacks_threads = False
    torch.set_num_threads(1)
    log.warning(
        "this process was forked from one that had computed with several threads, none of which it has: torch computes with one here; "
        "to have more, fork before anything is computed, or start the process with the method 'spawn'"
    )

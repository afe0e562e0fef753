"""How the processors of a machine are shared by the ranks on it. Imports no torch."""

from __future__ import annotations

import os


def cores() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def threads_each(local_size: int) -> int:
    """The share of the processors of each of so many processes on this machine."""
    given = os.environ.get("SLURM_CPUS_PER_TASK", "")
    return int(given) if given.isdigit() and int(given) else max(1, cores() // local_size)

"""How much memory there is: what the system says, and what a control group (a container, a Slurm job) allows."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

GROUP = Path("/sys/fs/cgroup")
GROUP_FILES = (("memory.max", "memory.current"), ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"))


def available_bytes() -> int | None:
    """Memory that this process may still take: what the system has, or what its control group leaves; None when neither tells."""
    found = [each for each in (read_kilobytes(Path("/proc/meminfo"), "MemAvailable"), _read_group_rest()) if each is not None]
    return min(found) if found else _pages("SC_AVPHYS_PAGES")


def total_bytes() -> int | None:
    """Memory of the machine, or the limit of the control group where that is less; None when neither tells."""
    found = [each for each in (_pages("SC_PHYS_PAGES"), _read_group_limit()) if each is not None]
    return min(found, default=None)


def read_kilobytes(path: Path, name: str) -> int | None:
    """The entry `name: 123 kB` of a file of the system, in bytes."""
    with contextlib.suppress(OSError):
        for line in path.read_text().splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1]) * 1024
    return None


def _pages(name: str) -> int | None:
    with contextlib.suppress(ValueError, OSError, AttributeError):
        return os.sysconf(name) * os.sysconf("SC_PAGE_SIZE")
    return None


def _read_group_rest() -> int | None:
    """What the control group leaves; None without a limit."""
    for limit, used in GROUP_FILES:
        with contextlib.suppress(OSError, ValueError):
            return max(int((GROUP / limit).read_text()) - int((GROUP / used).read_text()), 0)
    return None


def _read_group_limit() -> int | None:
    for limit, _ in GROUP_FILES:
        with contextlib.suppress(OSError, ValueError):
            return int((GROUP / limit).read_text())
    return None

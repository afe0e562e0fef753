"""When this process began, for timings that count from the moment the command was typed."""

from __future__ import annotations

import os
import time
from pathlib import Path

IMPORTED = time.time()


def process_start() -> float:
    """When the operating system started this process, in seconds since the epoch (10 ms steps); else when this was imported."""
    try:
        # The name of the program, in brackets, may hold spaces; starttime is field 22, the 20th after it (proc(5)).
        fields = Path("/proc/self/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        since_boot = int(fields[19]) / os.sysconf("SC_CLK_TCK")
        return time.time() - (time.clock_gettime(time.CLOCK_BOOTTIME) - since_boot)
    except (OSError, ValueError, IndexError, AttributeError):
        return IMPORTED - time.process_time()

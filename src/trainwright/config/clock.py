"""How long this process has run, for timings that count from the moment the command was typed; by clocks that never leap."""

from __future__ import annotations

import os
import time
from pathlib import Path

IMPORTED = time.perf_counter() - time.process_time()
"""When the process began at the latest, by `time.perf_counter`: it has computed for so long."""


def process_seconds() -> float:
    """Seconds since the operating system started this process (10 ms steps); else since this was imported."""
    try:
        # The name of the program, in brackets, may hold spaces; starttime is field 22, the 20th after it (proc(5)).
        fields = Path("/proc/self/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        return time.clock_gettime(time.CLOCK_BOOTTIME) - int(fields[19]) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError, AttributeError):
        return time.perf_counter() - IMPORTED

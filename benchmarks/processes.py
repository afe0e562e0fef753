"""Whole processes, timed in turn so that a drift of the machine touches both alike."""

from __future__ import annotations

import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Sequence


def seconds(command: Sequence[str], folder: str | None = None) -> float:
    """Wall seconds of one run of `command`; raises CalledProcessError when it fails."""
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as empty:
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=folder or empty, env=os.environ)
        return time.perf_counter() - start


def paired(first: Sequence[str], second: Sequence[str], runs: int = 7) -> tuple[float, float, float]:
    """Medians of both commands and of the ratio first/second, run by turns after one warm-up each."""
    seconds(first), seconds(second)
    pairs = [(seconds(first), seconds(second)) for _ in range(runs)]
    return (
        statistics.median(a for a, _ in pairs),
        statistics.median(b for _, b in pairs),
        statistics.median(a / b for a, b in pairs),
    )

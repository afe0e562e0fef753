"""Digits as a 64-vector, 64 → 128 → 10, batch 64, 50 epochs with an evaluation each: the whole process."""

from __future__ import annotations

import statistics
import sys
from pathlib import Path

from benchmarks.processes import seconds

CONFIG = Path(__file__).parent.parent / "configs" / "tables" / "digits.yaml"


def main(runs: int = 5) -> None:
    """Print the median wall time."""
    command = [sys.executable, "-m", "trainwright.cli.main", "train", str(CONFIG.resolve())]
    seconds(command)
    times = [seconds(command) for _ in range(runs)]
    print(f"digits, 50 epochs, whole process         {statistics.median(times):.2f} s (bar 5; {min(times):.2f} … {max(times):.2f})")


if __name__ == "__main__":
    main()

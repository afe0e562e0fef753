"""A window of a 24-hour record, ours against wfdb's; and the memory of a pass over 24 hours in windows against one of an hour.

python -m benchmarks.signals_reading
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from trainwright.domains.signals.reading import probe, read
from trainwright.domains.signals.reading.write import write_record

RATE = 250
SECONDS = 10
REPEATS = 7
WINDOWS = 300
PASS = """
import sys
from trainwright.domains.signals.reading import probe, read
length, total = probe(sys.argv[1]).length, 0.0
for start in range(0, length, 2500):
    total += float(read(sys.argv[1], start, start + 2500).values.sum())
print(next(int(each.split()[1]) for each in open("/proc/self/status") if each.startswith("VmHWM")) / 1024)
"""


def write_hours(folder: Path, hours: int, format: str) -> str:
    """A record of two leads of so many hours."""
    generator = np.random.default_rng(hours)
    values = generator.normal(0, 0.3, (2, hours * 3600 * RATE)).clip(-2, 2)
    write_record(folder, f"hours{hours}_{format}", values, RATE, ["II", "V5"], format=format, gain=1000)  # type: ignore[arg-type]
    return str(folder / f"hours{hours}_{format}")


def measure(call: Callable[[int], object], length: int) -> float:
    """Milliseconds of processor time of a window, the median of some rounds over random places."""
    starts = np.random.default_rng(0).integers(0, length - SECONDS * RATE, WINDOWS).tolist()
    call(0)
    rounds = []
    for _ in range(REPEATS):
        begin = time.process_time()
        for start in starts:
            call(start)
        rounds.append((time.process_time() - begin) / WINDOWS * 1000)
    print(f"    rounds: {', '.join(f'{each:.4f}' for each in rounds)}")
    return statistics.median(rounds)


def peak(path: str) -> float:
    """MiB that a process of its own needs for a pass over a record."""
    return float(subprocess.run([sys.executable, "-c", PASS, path], capture_output=True, text=True, check=True).stdout)


def main() -> None:
    """Print what is measured."""
    import wfdb

    count = SECONDS * RATE
    with tempfile.TemporaryDirectory() as place:
        for format in ("16", "212"):
            path = write_hours(Path(place), 24, format)
            length = probe(path).length
            print(f"format {format}, 24 h, 2 leads, {SECONDS} s window, ms")
            ours = measure(lambda start, path=path: read(path, start, start + count), length)  # type: ignore[misc]
            theirs = measure(lambda start, path=path: wfdb.rdrecord(path, sampfrom=start, sampto=start + count), length)  # type: ignore[misc]
            print(f"  ours {ours:.4f}, wfdb {theirs:.4f}: {theirs / ours:.1f} times")
            hour, day = peak(write_hours(Path(place), 1, format)), peak(path)
            print(f"  peak of a pass in windows, MiB: 1 h {hour:.1f}, 24 h {day:.1f}: {day - hour:+.1f}")


if __name__ == "__main__":
    main()

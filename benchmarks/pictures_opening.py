"""Opening a folder of pictures as ImageNet has them: seconds, and memory above what importing torch takes.

python -m benchmarks.pictures_opening [FOLDER]; without one 1,300,000 empty files are made, which takes minutes, and removed.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

CLASSES, EACH = 1000, 1300
OPEN = """
import sys, threading, time
import torch
from trainwright.domains.images.sources.image_folder import ImageFolder
from trainwright.domains.images.sources.options import ImageFolderOptions

def resident():
    return int(open("/proc/self/statm").read().split()[1]) * 4096 / 1e6

before, peak = resident(), [0.0]

def watch():
    while True:
        peak[0] = max(peak[0], resident())
        time.sleep(0.005)

threading.Thread(target=watch, daemon=True).start()
wall, processor = time.perf_counter(), time.process_time()
source = ImageFolder(ImageFolderOptions(path=sys.argv[1]), 1 << 32)
took = time.perf_counter() - wall, time.process_time() - processor
print(f"{len(source):,} pictures: {took[0]:.1f} s, {took[1]:.1f} s of processor time; {peak[0] - before:.0f} MB at most above torch")
"""


def make_files(folder: Path) -> None:
    """`CLASS/CLASS_NUMBER.JPEG`, all empty: opening looks into none."""
    for label in range(CLASSES):
        place = folder / f"n{label + 1_440_764:08d}"
        place.mkdir()
        for number in range(EACH):
            (place / f"{place.name}_{number * 37 % 100_000}.JPEG").touch()


def main() -> None:
    """Print what a new process needs, twice: the second time the folders are known to the system."""
    with tempfile.TemporaryDirectory() as made:
        given = next((Path(each) for each in sys.argv[1:] if Path(each).is_dir()), None)
        folder = given or Path(made)
        if given is None:
            make_files(folder)
        for _ in range(2):
            print(subprocess.run([sys.executable, "-c", OPEN, str(folder)], capture_output=True, text=True, check=True).stdout.strip())


if __name__ == "__main__":
    main()

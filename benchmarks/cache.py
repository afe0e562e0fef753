"""What samples that are kept save: photographs of 100 × 100 decoded by Pillow, against the same read from memory and from the disk.

    python -m benchmarks.cache [--photographs 1000] [--repeats 5]

The photographs are made here, smooth with some noise, as JPEG of quality 90, about 5 kB each. All are read in batches of 32 in this
process; each repeat reads cold (no cache), then hits, one after the other, so that a ratio is of the same minute. Processor time is
measured, so that others on the machine do not count, and files lie in the system's cache: what is compared is decoding, not the disk.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch.utils.data import Dataset

from trainwright.data.cache import CachedData
from trainwright.data.cache.dataset import keep_samples
from trainwright.data.cache.samples import STILL
from trainwright.data.dataset_rows import DatasetRows

SIDE, BATCH = 100, 32


class Photographs(Dataset):
    """Decoded photographs as tensors (3, 100, 100) of bytes, and their numbers."""

    def __init__(self, folder: str):
        self.paths = [str(each) for each in sorted(Path(folder).glob("*.jpg"))]

    def __len__(self):
        return len(self.paths)

    def __getitem__(self, row):
        picture = np.asarray(Image.open(self.paths[row]).convert("RGB"))
        return torch.from_numpy(picture.copy()).permute(2, 0, 1), row

    def cache_files(self, row):
        """The file of a sample."""
        return self.paths[row]


def write_photographs(folder: Path, count: int) -> int:
    """So many pictures; their bytes."""
    rng = np.random.default_rng(0)
    across, down = np.meshgrid(np.arange(SIDE), np.arange(SIDE))
    for number in range(count):
        waves = [np.sin(across * a + down * b + c) for a, b, c in rng.uniform(0.02, 0.2, (3, 3))]
        picture = 127 + 80 * np.stack(waves, axis=2) + rng.normal(0, 6, (SIDE, SIDE, 3))
        Image.fromarray(picture.clip(0, 255).astype(np.uint8)).save(folder / f"{number:05d}.jpg", quality=90)
    return sum(each.stat().st_size for each in folder.glob("*.jpg"))


def read_all(dataset: Dataset) -> tuple[float, int]:
    """Processor seconds to read all samples in batches, and what they add up to."""
    rows = DatasetRows(dataset, ["input", "target"])
    seconds, total = 0.0, 0
    for start in range(0, len(rows), BATCH):
        begun = time.process_time()
        batch = rows.take(torch.arange(start, min(start + BATCH, len(rows))))
        seconds += time.process_time() - begun
        total += int(batch["input"].sum(dtype=torch.int64))
    return seconds, total


def main() -> None:
    """Print the time of a photograph and the ratios."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cache", description=__doc__)
    parser.add_argument("--photographs", type=int, default=1000)
    parser.add_argument("--repeats", type=int, default=5)
    given = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as place:
        os.environ["TRAINWRIGHT_CACHE"] = f"{place}/cache"
        folder = Path(place) / "photographs"
        folder.mkdir()
        size = write_photographs(folder, given.photographs)
        print(f"{given.photographs:,} photographs of {SIDE} x {SIDE}, {size / given.photographs / 1e3:.1f} kB each")
        time.sleep(STILL / 1e9 + 0.1)  # files that were written just now are known by their content alone
        plain = Photographs(str(folder))
        kept = {
            word: keep_samples(plain, CachedData.model_validate({"type": "x", "cache": word}), "training") for word in ("memory", "disk")
        }
        filled = {word: read_all(each)[0] for word, each in kept.items()}
        times: dict[str, list[float]] = {word: [] for word in ("cold", *kept)}
        for _ in range(given.repeats):
            cold, expected = read_all(plain)
            times["cold"].append(cold)
            for word, each in kept.items():
                seconds, found = read_all(each)
                assert found == expected
                times[word].append(seconds)
        micro = 1e6 / given.photographs
        print(f"cold: {statistics.median(times['cold']) * micro:.0f} us a photograph")
        for word in kept:
            ratios = [cold / hit for cold, hit in zip(times["cold"], times[word], strict=True)]
            hit, median = statistics.median(times[word]) * micro, statistics.median(ratios)
            print(f"{word}: {hit:.0f} us, {median:.1f} times as fast ({min(ratios):.1f} to {max(ratios):.1f})")
            print(f"{word}: {filled[word] * micro:.0f} us in the first reading, which keeps them")


if __name__ == "__main__":
    main()

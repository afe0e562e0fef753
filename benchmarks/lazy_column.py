"""What a column of files costs: 20,000 .npy files of 4 kB with a random crop, batches of 32, a step of 5 ms, 2 workers.

    python -m benchmarks.lazy_column [--files 20000] [--batch 32] [--step 5]

The step waits, as a process does whose step is computed on a device. Input wait is the time in which the loop has no batch, as a share of
the loop, from the 21st step on. Then all files are read twice in this process, without a step: after the system's cache was told to
forget them, and from the cache.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from trainwright.config.choice import choose
from trainwright.data.order import epoch_order
from trainwright.data.rows import Rows
from trainwright.data.sources.opening import from_object
from trainwright.engine.config import TrainerConfig
from trainwright.engine.feed import Feed
from trainwright.engine.loader_options import LoaderOptions
from trainwright.engine.plan import make_plan
from trainwright.features.encoding import EncodedTable
from trainwright.features.table_rows import table_rows

NUMBERS, CROPPED, BEGUN = 1000, 800, 20


class AllTrain:
    """Every row trains."""

    def __init__(self, rows: int) -> None:
        self.train, self.validation, self.test = np.arange(rows), np.arange(0), np.arange(0)


def write_files(folder: Path, files: int) -> Path:
    """The files, a thousand in a folder, and a table that names them beside a number and a target."""
    rng = np.random.default_rng(0)
    lines = ["signal,a,y"]
    for row in range(files):
        name = f"{row // 1000:03d}/{row:06d}.npy"
        (folder / name).parent.mkdir(exist_ok=True)
        np.save(folder / name, rng.normal(size=NUMBERS).astype(np.float32))
        lines.append(f"{name},{rng.normal():.4f},{rng.integers(2)}")
    (folder / "table.csv").write_text("\n".join([*lines, ""]))
    return folder / "table.csv"


def training_rows(table: Path, files: int) -> tuple[Rows, float]:
    """The rows of the table, and how long it took to look at every header."""
    crop = [{"random_crop": CROPPED}, {"center_crop": CROPPED}]
    columns = {
        "signal": choose("feature", {"type": "file", "transform": crop}),
        "a": choose("feature", "number"),
        "y": choose("feature", "binary"),
    }
    begun = time.perf_counter()
    encoded = EncodedTable.fit(from_object(str(table)), AllTrain(files), columns, ["signal", "a"], ["y"])
    return table_rows(encoded, np.arange(files), training=True), time.perf_counter() - begun


def input_wait(rows: Rows, batch: int, step: float, workers: int) -> float:
    """The share of an epoch in which the loop waits for rows."""
    plan = make_plan(TrainerConfig(batch_size=batch, max_epochs=1), len(rows))
    feed = Feed(rows, LoaderOptions(workers=workers), 0, torch.device("cpu"))
    order, waited, begun = epoch_order(0, 0, len(rows)), 0.0, 0.0
    try:
        for number in range(plan.steps_per_epoch):
            if number == BEGUN:
                begun, waited = time.perf_counter(), 0.0
            first, last = plan.bounds(number)
            asked = time.perf_counter()
            feed.take(order[first:last], plan, number)
            waited += time.perf_counter() - asked
            time.sleep(step)
        return waited / (time.perf_counter() - begun)
    finally:
        feed.close()


def forget(folder: Path) -> None:
    """Tell the system that its cache of the files is not needed; where it does not listen, the first reading is from the cache too."""
    os.sync()
    for path in folder.glob("*/*.npy"):
        file = os.open(path, os.O_RDONLY)
        os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(file)


def read_all(rows: Rows, batch: int) -> float:
    """Seconds to read all rows once in this process."""
    begun = time.perf_counter()
    for start in range(0, len(rows), batch):
        rows.take(torch.arange(start, min(start + batch, len(rows))))
    return time.perf_counter() - begun


def main() -> None:
    """Print the share of waiting, and both readings."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.lazy_column", description=__doc__)
    parser.add_argument("--files", type=int, default=20_000)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--step", type=float, default=5.0, help="milliseconds")
    given = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as place:
        rows, seconds = training_rows(write_files(Path(place), given.files), given.files)
        print(f"{given.files:,} files fitted, and every header looked at: {seconds:.2f} s")
        for workers in (0, 2):
            share = input_wait(rows, given.batch, given.step / 1e3, workers)
            print(f"input wait with {workers} workers, a step of {given.step:g} ms: {share:.1%}")
        forget(Path(place))
        first, second = read_all(rows, given.batch), read_all(rows, given.batch)
        print(f"all files read: {first:.2f} s forgotten by the cache, {second:.2f} s from it ({first / second:.2f} times)")


if __name__ == "__main__":
    main()

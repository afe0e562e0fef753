"""A CSV of one million rows × 20 columns: read, inferred and encoded; and ten million rows within bounded memory."""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as csv

WORDS = np.array([f"word{number}" for number in range(50)])

STREAM = """
import sys
from trainwright.cli.main import main
words = ["train", sys.argv[1], "--target", "y", "run.dir=" + sys.argv[2], "data.memory_limit=200 MB", "model.combiner=concat"]
code = main([*words, "trainer.max_steps=2000", "trainer.batch_size=1024", "trainer.evaluate_every=1000 steps"])
with open("/proc/self/status") as file:
    peak = next(int(line.split()[1]) for line in file if line.startswith("VmHWM"))
print(code, peak / 1024)
"""


def write(path: Path, rows: int, seed: int = 0, piece: int = 1_000_000) -> None:
    """Twelve columns of numbers with fractions, four of whole numbers, three of words, one target."""
    random = np.random.default_rng(seed)
    writer = None
    with path.open("wb") as file:
        for start in range(0, rows, piece):
            count = min(piece, rows - start)
            columns: dict[str, np.ndarray] = {f"x{k}": random.normal(size=count).round(5) for k in range(12)}
            columns |= {f"n{k}": random.integers(0, 1000, count) for k in range(4)}
            columns |= {f"c{k}": WORDS[random.integers(0, 50, count)] for k in range(3)}
            columns["y"] = (columns["x0"] + columns["x1"] > 0).astype(np.int64)
            table = pa.table(columns)
            writer = writer or csv.CSVWriter(file, table.schema)
            writer.write_table(table)
        if writer is not None:
            writer.close()


def by_hand(path: Path) -> float:
    """Seconds of `pyarrow.csv.read_csv` and turning every column into a numpy array (words into codes)."""
    start = time.perf_counter()
    table = csv.read_csv(path)
    numbers = [table[name].to_numpy().astype(np.float32) for name in table.column_names if not pa.types.is_string(table[name].type)]
    codes = [
        table[name].combine_chunks().dictionary_encode().indices.to_numpy()
        for name in table.column_names
        if pa.types.is_string(table[name].type)
    ]
    np.stack(numbers, axis=1), np.stack(codes, axis=1)
    return time.perf_counter() - start


def ours(path: Path) -> float:
    """Seconds to open, profile, infer and encode the same file."""
    from trainwright.config.choice import choose
    from trainwright.data.inference import infer
    from trainwright.data.profile import profile
    from trainwright.data.sources.opening import from_object
    from trainwright.data.splits.base import Split
    from trainwright.features.encoding import EncodedTable

    start = time.perf_counter()
    source = from_object(path)
    columns = {found.name: choose("feature", found.type) for found in infer(profile(source), ["y"])}
    nothing = np.empty(0, np.int64)
    split = Split(np.arange(len(source)), nothing, nothing, "all rows train")
    EncodedTable.fit(source, split, columns, [name for name in columns if name != "y"], ["y"])
    return time.perf_counter() - start


def main(runs: int = 5) -> None:
    """Print the ratio and the peak memory."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "million.csv"
        write(path, 1_000_000)
        by_hand(path), ours(path)
        pairs = [(ours(path), by_hand(path)) for _ in range(runs)]
        print(f"1 M × 20 CSV, read + inferred + encoded  {statistics.median(a for a, _ in pairs):.2f} s")
        print(f"read_csv + numpy                         {statistics.median(b for _, b in pairs):.2f} s")
        print(f"ratio                                    {statistics.median(a / b for a, b in pairs):.2f} (bar 1.5)")
        path.unlink()
        large = Path(folder) / "ten_million.csv"
        write(large, 10_000_000)
        start = time.perf_counter()
        done = subprocess.run([sys.executable, "-c", STREAM, str(large), f"{folder}/run"], check=True, capture_output=True, text=True)
        code, peak = done.stdout.split()[-2:]
        seconds = time.perf_counter() - start
        print(f"10 M rows streamed, trained, evaluated   peak {float(peak):.0f} MiB (bar 2048), exit {code}, {seconds:.0f} s")


if __name__ == "__main__":
    main()

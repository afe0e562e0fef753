"""Ten million rows of eight numbers, Parquet to Parquet: rows a second, peak memory, and the bytes of a file that was killed on its way."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from trainwright.cli.main import main as trainwright

ROWS, COLUMNS, GROUP = 10_000_000, 8, 1_000_000
TRAINED_ON = 20_000
MODEL = "model.combiner={type: concat, depth: 1, width: 128}"
QUICK = ["trainer.max_epochs=2", "evaluation.baselines=[]", "evaluation.importance=false", "evaluation.report=false", "run.device=cpu"]
MEASURED = """
import sys
from trainwright.cli.main import main
code = main(sys.argv[1:])
with open("/proc/self/status") as file:
    print(next(int(line.split()[1]) for line in file if line.startswith("VmHWM")))
sys.exit(code)
"""


def write(path: Path, rows: int) -> None:
    """A table of normal numbers, and what is learnt from them."""
    writer = None
    for start in range(0, rows, GROUP):
        random = np.random.default_rng(start)
        numbers = random.normal(size=(min(GROUP, rows - start), COLUMNS))
        columns = {f"x{at}": numbers[:, at] for at in range(COLUMNS)}
        table = pa.table(columns | {"y": numbers[:, 0] + numbers[:, 1] ** 2})
        writer = writer or pq.ParquetWriter(path, table.schema)
        writer.write_table(table)
    if writer is not None:
        writer.close()


def predict(folder: Path, output: str, until: int | None = None) -> tuple[float, float]:
    """Seconds and peak MiB of the command in a process of its own; killed once so many rows are recorded."""
    words = [sys.executable, "-c", MEASURED, "predict", "run", "rows.parquet", "-o", output]
    begun = time.perf_counter()
    process = subprocess.Popen(words, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    state = folder / f".{output}.trainwright.part" / "state.json"
    while until is not None and (not state.is_file() or json.loads(state.read_text())["done"]["rows"] < until):
        time.sleep(0.2)
    if until is not None:
        os.kill(process.pid, signal.SIGKILL)
    said = process.communicate()[0].split()
    return time.perf_counter() - begun, int(said[-1]) / 1024 if until is None else 0.0


def digest(path: Path) -> str:
    """The sha256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def main() -> None:
    """Print the measurements."""
    rows = int(os.environ.get("ROWS", ROWS))
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        write(folder / "small.parquet", TRAINED_ON)
        write(folder / "rows.parquet", rows)
        trainwright(["train", str(folder / "small.parquet"), "--target", "y", f"run.dir={folder / 'run'}", MODEL, *QUICK])
        seconds, peak = predict(folder, "whole.parquet")
        print(f"{rows:,} rows: {seconds:.1f} s, {rows / seconds:,.0f} rows a second, peak {peak:,.0f} MiB")
        predict(folder, "out.parquet", until=rows // 2)
        rest, again = predict(folder, "out.parquet")
        same = digest(folder / "out.parquet") == digest(folder / "whole.parquet")
        print(f"killed at half, gone on with in {rest:.1f} s, peak {again:,.0f} MiB: {'the same bytes' if same else 'OTHER BYTES'}")


if __name__ == "__main__":
    main()

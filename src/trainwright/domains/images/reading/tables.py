"""Pictures that stand as bytes in the rows of Parquet and Arrow files."""

from __future__ import annotations

import os
import threading
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from trainwright.features.npy import Unreadable

GROUPS_HELD = 4
"""Groups of rows of Parquet files that are held: a picture is read with all of its group."""
_one_at_a_time = threading.Lock()


def read_table_row(path: str, row: int, column: str) -> bytes:
    """The content of the picture in a row of a Parquet or Arrow file: bytes, or a struct of `bytes` and `path`. Raises Unreadable."""
    try:
        found = os.stat(path)
        stamp = (path, found.st_size, found.st_mtime_ns)
        with _one_at_a_time:
            value = (
                _parquet_value(stamp, row, column)
                if path.lower().endswith((".parquet", ".pq"))
                else open_arrow(*stamp)[column][row].as_py()
            )
    except (OSError, pa.ArrowException, KeyError, IndexError) as error:
        raise Unreadable(f"row {row} of the table cannot be read: {error}") from error
    if isinstance(value, dict):
        value = value.get("bytes") if value.get("bytes") is not None else _read_path(Path(path).parent, value.get("path"))
    if not isinstance(value, bytes):
        raise Unreadable("there are no bytes in this row")
    return value


def _read_path(folder: Path, name: str | None) -> bytes | None:
    return None if name is None else (folder / name).read_bytes()


def _parquet_value(stamp: tuple[str, int, int], row: int, column: str) -> Any:
    _, starts = _opened(*stamp)
    group = int(np.searchsorted(starts, row, side="right")) - 1
    return _group(stamp, group, column)[row - int(starts[group])].as_py()


@lru_cache(maxsize=64)
def _opened(path: str, size: int, time: int) -> tuple[pq.ParquetFile, np.ndarray]:
    file = pq.ParquetFile(path)
    counts = [file.metadata.row_group(each).num_rows for each in range(file.metadata.num_row_groups)]
    return file, np.concatenate([[0], np.cumsum(counts)])[:-1]


@lru_cache(maxsize=GROUPS_HELD)
def _group(stamp: tuple[str, int, int], group: int, column: str) -> pa.ChunkedArray:
    return _opened(*stamp)[0].read_row_group(group, columns=[column]).column(0)


@lru_cache(maxsize=64)
def open_arrow(path: str, size: int, time: int) -> pa.Table:
    """The rows of an Arrow file or stream, mapped. Raises OSError or ArrowException."""
    mapped = pa.memory_map(path)
    try:
        return pa.ipc.open_file(mapped).read_all()
    except pa.ArrowInvalid:
        mapped.seek(0)
        return pa.ipc.open_stream(mapped).read_all()

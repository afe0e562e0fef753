"""Pictures that are rows of arrays: `.npy`, `.npz`, MNIST's idx files, CIFAR's binary files, and scikit-learn's digits."""

from __future__ import annotations

import gzip
import os
import zlib
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from trainwright.data.sources.builtin import read_digits
from trainwright.features.npy import Unreadable
from trainwright.report.figures import plural

IDX_TYPES = {8: "u1", 9: "i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}
"""The third byte of an idx file → what its numbers are."""
DIGITS_WHITE = 16
"""The largest number in scikit-learn's digits."""
CIFAR_PIXELS = 3072
CIFAR_LABELS = {3073: 1, 3074: 2}
"""Bytes of a row → how many of them are labels: CIFAR-10 has one, CIFAR-100 a coarse and a fine one."""


def read_array_row(path: str, row: int, column: str) -> np.ndarray:
    """A row of a `.npy` array, or of the array `column` of a `.npz` file: (height, width[, channels]). Raises Unreadable."""
    return _row(open_array(path, column), row)


def read_idx_row(path: str, row: int, column: str) -> np.ndarray:
    """A row of an idx file, plain or `.gz`: (height, width[, channels]). Raises Unreadable."""
    return _row(open_idx(path), row)


def read_cifar_row(path: str, row: int, column: str) -> np.ndarray:
    """A row of a binary file of CIFAR-10 or CIFAR-100: (32, 32, 3). Raises Unreadable."""
    rows = open_cifar(path)
    return np.ascontiguousarray(_row(rows, row)[-CIFAR_PIXELS:].reshape(3, 32, 32).transpose(1, 2, 0))


def read_digits_row(path: str, row: int, column: str) -> np.ndarray:
    """A row of scikit-learn's digits: (8, 8). Raises Unreadable."""
    return _row(open_digits(path), row)


def open_array(path: str, column: str = "") -> np.ndarray:
    """The array in a file, mapped where it is plain; of three dimensions or more with channels last. Raises Unreadable."""
    return _opened("array", path, *_stamp(path), column)


def open_idx(path: str) -> np.ndarray:
    """The array in an idx file, mapped where it is plain. Raises Unreadable."""
    return _opened("idx", path, *_stamp(path), "")


def open_cifar(path: str) -> np.ndarray:
    """The rows of a binary file of CIFAR, mapped: labels and pixels, uint8 (rows, 3073 or 3074). Raises Unreadable."""
    return _opened("cifar", path, *_stamp(path), "")


def open_digits(path: str) -> np.ndarray:
    """The pixels of scikit-learn's digits, whose 0 to 16 are bytes of 0 to 255: uint8 (rows, 8, 8). Raises Unreadable."""
    return _opened("digits", path, *_stamp(path), "")


def _stamp(path: str) -> tuple[int, int]:
    try:
        found = os.stat(path)
    except OSError as error:
        raise Unreadable(error.strerror or "it is not there") from error
    return found.st_size, found.st_mtime_ns


@lru_cache(maxsize=16)
def _opened(kind: str, path: str, size: int, time: int, column: str) -> np.ndarray:
    if kind == "idx":
        return _read_idx(path)
    if kind == "digits":
        return _read_digits(path)
    return _read_cifar(path, size) if kind == "cifar" else _channels_last(_read_array(path, column))


def _row(array: np.ndarray, row: int) -> np.ndarray:
    if row >= len(array):
        raise Unreadable(f"it has {plural(len(array), 'row')}, and no row {row}, counted from 0")
    return np.array(array[row])  # a copy: what is mapped cannot be written to


def _read_array(path: str, column: str) -> np.ndarray:
    try:
        opened: Any = np.load(path, mmap_mode="r", allow_pickle=False)
        if not column:
            return np.asarray(opened) if not isinstance(opened, np.lib.npyio.NpzFile) else opened[opened.files[0]]
        with opened:
            return np.asarray(opened[column])
    except (OSError, ValueError, KeyError, EOFError, zlib.error) as error:
        raise Unreadable(f"the array cannot be read: {error}") from error


def _channels_last(array: np.ndarray) -> np.ndarray:
    """(rows, h, w, c) of (rows, c, h, w), where only the second dimension can be the channels."""
    first = array.ndim == 4 and array.shape[1] in (1, 3, 4) and array.shape[3] not in (1, 3, 4)
    return array.transpose(0, 2, 3, 1) if first else array


def _read_idx(path: str) -> np.ndarray:
    packed = path.lower().endswith(".gz")
    try:
        held: Any = gzip.decompress(Path(path).read_bytes()) if packed else np.memmap(path, np.uint8, "r")
    except (OSError, ValueError, EOFError, zlib.error) as error:
        raise Unreadable(f"it cannot be read: {error}") from error
    head = bytes(held[:4])
    if len(head) < 4 or head[:2] != b"\0\0" or head[2] not in IDX_TYPES or not head[3]:
        raise Unreadable("it is no idx file: it begins with two zeros, a type and the number of dimensions")
    count = head[3]
    said = bytes(held[4 : 4 + 4 * count])
    if len(said) < 4 * count:
        raise Unreadable(f"it is cut off: its {count} sizes need {4 * count} bytes, and it has {len(held):,}")
    sizes = np.frombuffer(said, ">u4").astype(np.int64)
    kind = np.dtype(IDX_TYPES[head[2]])
    wanted = 4 + 4 * count + int(np.prod(sizes)) * kind.itemsize
    if len(held) != wanted:
        raise Unreadable(f"its sizes are {'×'.join(map(str, sizes))}, which are {wanted:,} bytes, and it has {len(held):,}")
    return np.frombuffer(held, kind, offset=4 + 4 * count).reshape(sizes)


def _read_cifar(path: str, size: int) -> np.ndarray:
    wide = next((each for each in CIFAR_LABELS if size and size % each == 0), None)
    if wide is None:
        raise Unreadable(f"{size:,} bytes are no rows of 3,073 (CIFAR-10) or 3,074 (CIFAR-100)")
    return np.memmap(path, np.uint8, "r").reshape(-1, wide)


def _read_digits(path: str) -> np.ndarray:
    try:
        values = read_digits(Path(path))
    except (OSError, ValueError, EOFError, zlib.error) as error:
        raise Unreadable(f"the digits cannot be read: {error}") from error
    return np.round(values[:, :64] * (255 / DIGITS_WHITE)).astype(np.uint8).reshape(-1, 8, 8)

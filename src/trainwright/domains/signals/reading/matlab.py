"""MATLAB's files of versions 4 (mapped) and 5 to 7.2 (by scipy)."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from trainwright.domains.signals.reading.arrays import choose_key
from trainwright.domains.signals.reading.files import read_bytes, readable_at, size_of
from trainwright.features.npy import Unreadable
from trainwright.files.packed import split_member

HDF5 = b"\x89HDF\r\n\x1a\n"
V4_TYPES = {0: "f8", 1: "f4", 2: "i4", 3: "i2", 4: "u2", 5: "u1"}


@dataclass(frozen=True)
class Mat:
    """An array of a MATLAB file, and what lies beside it."""

    kind: str
    key: str
    array: np.ndarray
    beside: dict[str, Any] = field(default_factory=dict)


def is_hdf5(path: str) -> bool:
    """Whether a file is HDF5, as MATLAB 7.3 writes it behind 512 bytes of its own. Raises Unreadable."""
    head = read_bytes(path, 0, 520)
    if not head:
        raise Unreadable("it is empty")
    return head[:8] == HDF5 or head[512:520] == HDF5


def open_mat(path: str, key: str | None) -> Mat:
    """An array of a file of version 4 or 5; of version 4 it is mapped where it is the first. Raises Unreadable."""
    first = _first_of_v4(path)
    if first is not None and (key is None or key == first.key):
        return first
    return _by_scipy(path, key)


def _first_of_v4(path: str) -> Mat | None:
    """The first array of a file of version 4: 20 bytes, its name, and the numbers column by column."""
    head = read_bytes(path, 0, 20)
    kind, rows, columns, imaginary, named = np.frombuffer(head, "<i4").tolist() if len(head) == 20 else (-1, 0, 0, 1, 0)
    if kind not in (0, 10, 20, 30, 40, 50) or imaginary or not 1 < named < 256 or min(rows, columns) < 1:
        return None
    name = read_bytes(path, 20, named).rstrip(b"\0").decode(errors="replace")
    dtype = np.dtype(f"<{V4_TYPES[kind // 10]}")
    start, numbers = 20 + named, math.prod((rows, columns))
    if size_of(path) < start + numbers * dtype.itemsize:
        there = max(size_of(path) - start, 0) // dtype.itemsize
        raise Unreadable(f"it is cut off: {there:,} of the {numbers:,} numbers of '{name}' are there")
    if numbers == 1:
        return None
    if split_member(path) is not None:
        array = np.frombuffer(read_bytes(path, start, numbers * dtype.itemsize), dtype).reshape(rows, columns, order="F")
    else:
        array = np.memmap(path, dtype, "r", start, (rows, columns), "F")
    return Mat("MATLAB 4", name, array)


def _by_scipy(path: str, key: str | None) -> Mat:
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    try:
        content = loadmat(readable_at(path), simplify_cells=True)
    except (MatReadError, ValueError, TypeError, OSError, EOFError, NotImplementedError, IndexError, KeyError) as error:
        raise Unreadable(f"it is no MATLAB file, or damaged: {' '.join(str(error).split())[:150]}") from error
    everything = _flat({name: value for name, value in content.items() if not name.startswith("__")})
    arrays = {
        name: each for name, each in everything.items() if isinstance(each, np.ndarray) and each.dtype.kind in "biuf" and each.size > 1
    }
    chosen = choose_key(list(arrays), key if key is not None else "val" if "val" in arrays else None)
    beside = {name.rpartition(".")[2]: each for name, each in everything.items() if name != chosen}
    return Mat("MATLAB 5", chosen, arrays[chosen], beside)


def _flat(content: dict[str, Any], before: str = "") -> dict[str, Any]:
    """Fields of structures under their names with dots: `ECG.data`."""
    found = dict[str, Any]()
    for name, value in content.items():
        found.update(_flat(value, f"{before}{name}.") if isinstance(value, dict) else {before + name: value})
    return found

"""Rows for a system of one's own: from a file of arrays, a table whose columns are named as the blocks of a batch, or an object."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from trainwright.config.errors import DataError, RequestError
from trainwright.config.received import ensure_right
from trainwright.data.readable import name_beside
from trainwright.data.source import Source
from trainwright.data.sources.opening import from_object
from trainwright.domains.forms import are_records, is_record
from trainwright.features.base import one_array
from trainwright.features.floats import is_list
from trainwright.files.tensors import load_tensors

log = logging.getLogger("trainwright.fit")

ARRAYS = (".npz", ".npy", ".safetensors")
MEMORY_LIMIT = 4 << 30
"""Bytes above which a table is read in pieces."""


def rows_given(data: Any) -> Any:
    """What a person gave as `rows_from` takes it: a file or a frame as a mapping of arrays, a tensor alone as the only input."""
    if isinstance(data, str | os.PathLike):
        return _of_file(Path(data))
    if are_records(data) or is_record(data):
        return _of_records([data] if isinstance(data, Mapping) else list(data))
    if type(data).__module__.partition(".")[0] in ("pandas", "polars", "pyarrow"):
        frame = data.to_frame().T if type(data).__name__ == "Series" else data
        return of_table(from_object(frame, MEMORY_LIMIT))
    return (data,) if isinstance(data, Tensor | np.ndarray) else data


def _of_records(records: list[Mapping[str, Any]]) -> dict[str, Tensor]:
    """The values of records as arrays by name, rows first; raises DataError for records that differ, and for values that are no numbers."""
    names = list(records[0])
    found = dict[str, Tensor]()
    for row, each in enumerate(records):
        if set(each) != set(names):
            odd = sorted(set(each) ^ set(names), key=str)[0]
            raise DataError(f"row {row + 1} and the first one differ in '{odd}'", where="predict", fix="give every row the same names")
    for name in names:
        try:
            values = np.stack([np.asarray(each[name].detach().cpu() if isinstance(each[name], Tensor) else each[name]) for each in records])
            found[str(name)] = _tensor(values)
        except (TypeError, ValueError, RuntimeError) as error:
            why = f"'{name}': {' '.join(str(error).split())[:160]}"
            raise DataError(
                "these rows are no arrays of numbers", where="predict", why=why, fix="give numbers of one shape by name"
            ) from error
    return found


def _of_file(path: Path) -> dict[str, Any]:
    kind = path.suffix.lower()
    if kind not in ARRAYS:
        return of_table(from_object(str(path), MEMORY_LIMIT))
    if not path.is_file():
        raise DataError("no such file", where=str(path), fix=name_beside(path))
    try:
        found: Mapping[str, Any] = _read(path, kind)
    except RequestError:
        raise
    except Exception as error:
        ensure_right(error, path)
        why = " ".join(str(error).split())[:200] or type(error).__name__
        fix = "write it again as np.savez(FILE, input=…) does, or name another file"
        raise DataError("this file holds no arrays that can be read", where=str(path), why=why, fix=fix) from error
    if not found:
        raise DataError("there are no arrays in this file", where=str(path), fix="np.savez(FILE, input=…)")
    return dict(found)


def _read(path: Path, kind: str) -> Mapping[str, Any]:
    if kind == ".safetensors":
        return load_tensors(path)
    loaded = np.load(path, allow_pickle=False)
    return {"input": _tensor(loaded)} if kind == ".npy" else {name: _tensor(loaded[name]) for name in loaded.files}


def _tensor(array: np.ndarray) -> Tensor:
    return torch.from_numpy(np.array(array))  # a copy: what Arrow gives cannot be written to


def of_table(source: Source) -> dict[str, Any]:
    """The columns of numbers, and of lists of one length, as tensors (rows first); others are left out, which is said."""
    found, left_out = dict[str, Tensor](), list[str]()
    table = source.read()
    for name in table.column_names:
        values = _numbers(one_array(table[name]))
        if values is None:
            left_out.append(name)
        else:
            found[name] = _tensor(values)
    if left_out:
        log.info("note: %s: columns that hold no numbers, or lack some, are left out: %s", source.name, ", ".join(left_out[:12]))
    if not found:
        raise DataError("no column holds numbers", where=source.name, fix=f"give arrays by name: {', '.join(ARRAYS)}")
    return found


def _numbers(values: pa.Array) -> np.ndarray | None:
    """The values of a column, (n,) or (n, width); None where they are no numbers, or not in every row."""
    kind = values.type
    if is_list(kind):
        lengths = {len(each) for each in values.to_pylist() if each is not None}
        inside = None if values.null_count or len(lengths) != 1 else _numbers(values.flatten())
        return None if inside is None else inside.reshape(len(values), -1)
    if pa.types.is_boolean(kind) and not values.null_count:
        return np.asarray(values.to_numpy(zero_copy_only=False), bool)
    if pa.types.is_decimal(kind):
        values = values.cast(pa.float64())
    if not (pa.types.is_integer(kind) or pa.types.is_floating(values.type)) or values.null_count:
        return None
    return values.to_numpy(zero_copy_only=False)

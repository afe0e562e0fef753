"""Predictions as files: tables as .csv, .parquet and .jsonl, arrays as .npz and .safetensors too; whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from trainwright.config.errors import RequestError, did_you_mean
from trainwright.domains.predictor import Columns, shapes_of
from trainwright.files.outputs import write_output
from trainwright.files.tensors import save_tensors
from trainwright.runs.media.files import write_npz
from trainwright.tracking.formulas import FORMULA, NUMBER, escape_formula

ARRAYS = (".npz", ".safetensors")
"""Endings of files that hold arrays by name, which are written whole."""
LINES = (".csv", ".jsonl")
"""Endings of text, which may be compressed."""


def ending_of(path: str | os.PathLike[str]) -> str:
    """How the name of a file ends, the form it is compressed in left out: `.csv` of `rows.csv.gz`."""
    named = Path(path)
    return Path(named.stem).suffix.lower() if is_compressed(named) else named.suffix.lower()


def is_compressed(path: Path) -> bool:
    """Whether a file of lines is written compressed."""
    return path.suffix.lower() == ".gz" and Path(path.stem).suffix.lower() in LINES


def ensure_predictions(path: Path, endings: Sequence[str], escape_formulas: bool = False) -> None:
    """Raises RequestError when the name of an output ends otherwise, or escapes are asked for where none are needed."""
    kind = ending_of(path)
    if kind not in endings:
        fix = did_you_mean(kind or path.name, endings)
        raise RequestError(
            "the ending of the file names no format", where=f"-o {path}", why="such predictions are written as others", fix=fix
        )
    if escape_formulas and kind != ".csv":
        why = f"a spreadsheet runs no text of a {path.suffix} file"
        raise RequestError("there is nothing to escape", where="--escape-formulas", why=why, fix="leave it out, or write a .csv")


def write_arrays(columns: Columns, path: Path) -> None:
    """Write arrays by name whole or not at all, as .npz or .safetensors."""
    arrays = {name: columns[name].to_numpy() for name in columns.column_names} if isinstance(columns, pa.Table) else columns
    with write_output(path) as temporary:
        if path.suffix.lower() == ".npz":
            write_npz(temporary, arrays)
        else:
            save_tensors(temporary, {name: torch.from_numpy(np.ascontiguousarray(each)) for name, each in arrays.items()})


def as_table(columns: Mapping[str, np.ndarray], path: Path | None = None, *, apart: bool = True) -> pa.Table:
    """Arrays (n,) as columns, and (n, k) as lists of k or, `apart`, as k columns `name_0 …`; raises RequestError for more dimensions."""
    found: dict[str, pa.Array] = {}
    for name, each in columns.items():
        if each.ndim > 2:
            why = f"'{name}' has {each.ndim - 1} dimensions for each row: {shapes_of(columns)}"
            where = "predict" if path is None else f"-o {path}"
            raise RequestError("these predictions are no table", where=where, why=why, fix="end the name in .npz or .safetensors")
        if each.ndim == 1:
            found[name] = pa.array(each)
        elif apart:
            found |= {f"{name}_{place}": pa.array(np.ascontiguousarray(each[:, place])) for place in range(each.shape[1])}
        else:
            found[name] = pa.FixedSizeListArray.from_arrays(pa.array(np.ascontiguousarray(each).reshape(-1)), each.shape[1])
    return pa.table(found)


def flat(table: pa.Table) -> pa.Table:
    """The table with lists as text, which CSV can hold: `a|b`, and lists of lists `a|b;c|d`."""
    import pyarrow.compute as pc

    columns = {}
    for name in table.column_names:
        column = table[name]
        if _is_list(column.type):
            if _is_list(column.type.value_type):
                columns[name] = pa.array([None if each is None else _join_lists(each) for each in column.to_pylist()], pa.string())
                continue
            listed = column.cast(pa.list_(column.type.value_type)) if pa.types.is_fixed_size_list(column.type) else column
            column = pc.binary_join(
                pa.chunked_array([chunk.cast(pa.list_(pa.string())) for chunk in listed.chunks], pa.list_(pa.string())), "|"
            )
        columns[name] = column
    return pa.table(columns)


def _is_list(kind: pa.DataType) -> bool:
    return bool(pa.types.is_list(kind) or pa.types.is_fixed_size_list(kind) or pa.types.is_large_list(kind))


def _join_lists(values: Sequence[Any], marks: str = "/;|") -> str:
    """Lists within lists as text, the innermost by `|`, those around by `;` and then `/`."""
    depth, inner = 1, values
    while inner and isinstance(inner[0], list):
        depth, inner = depth + 1, inner[0]
    mark = marks[-depth] if depth <= len(marks) else marks[0]
    return mark.join(_join_lists(each, marks) if isinstance(each, list) else str(each) for each in values)


def formulas_escaped(table: pa.Table) -> pa.Table:
    """The table with a `'` before texts, and names of columns, that a spreadsheet would run; numbers stay as they are."""
    return pa.table([_column_escaped(column) for column in table.columns], names=[*map(escape_formula, table.column_names)])


def _column_escaped(column: pa.ChunkedArray) -> pa.ChunkedArray:
    import pyarrow.compute as pc

    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        return column
    runs = pc.and_not(pc.match_substring_regex(column, FORMULA), pc.match_substring_regex(column, NUMBER))
    return pc.if_else(runs, pc.binary_join_element_wise("'", column, ""), column)

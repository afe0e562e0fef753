"""Predictions for new rows, to a table or a file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pyarrow as pa

from trainwright.api.model import Model
from trainwright.api.run import load
from trainwright.config.errors import RequestError

WRITERS = (".csv", ".parquet", ".jsonl")


def predict_with(model: Model, data: Any) -> Any:
    """Predictions for a DataFrame (as a DataFrame with the same index), or for anything else that is a table (as an Arrow table)."""
    table = model.predict(model.encoder.read(data))
    if type(data).__module__.partition(".")[0] == "pandas":
        frame = table.to_pandas()
        frame.index = data.index
        return frame
    return table


def predict_file(run_path: str | os.PathLike[str], source: Any, output: str | os.PathLike[str] | None = None) -> pa.Table:
    """Predictions for the rows of `source`, written to `output` (.csv, .parquet or .jsonl) when it is given.

    Raises RequestError before anything is read when the output's kind is unknown or its folder cannot be written.
    """
    target = None if output is None else Path(output)
    if target is not None:
        check_output(target)
    model = load(run_path).model
    table = model.predict(model.encoder.read(source))
    if target is not None:
        write_table(table, target)
    return table


def check_output(path: Path) -> None:
    """Raises RequestError when `path` is of an unknown kind or cannot be written."""
    if path.suffix.lower() not in WRITERS:
        raise RequestError(
            f"cannot write '{path.suffix or path.name}' files", where=str(path), fix=f"give a name that ends with {', '.join(WRITERS)}"
        )
    folder = path.parent
    if not folder.is_dir():
        raise RequestError("no such folder", where=str(folder), fix="make it first, or choose another place")
    if path.is_dir() or not os.access(path if path.exists() else folder, os.W_OK):
        raise RequestError("cannot write here", where=str(path), fix="choose another place")


def write_table(table: pa.Table, path: Path) -> None:
    """Write a table whole or not at all, in the format its name ends with."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        _write(table, temporary, path.suffix.lower())
        os.replace(temporary, path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise RequestError(
            "the predictions could not be written", where=str(path), why=error.strerror or str(error), fix="choose another place"
        ) from error


def _write(table: pa.Table, path: Path, kind: str) -> None:
    if kind == ".parquet":
        import pyarrow.parquet as pq

        pq.write_table(table, path)
    elif kind == ".csv":
        import pyarrow.csv as csv

        csv.write_csv(flat(table), path)
    else:
        import json

        with path.open("w", encoding="utf-8") as file:
            for batch in table.to_batches(max_chunksize=10_000):
                file.writelines(json.dumps(row, ensure_ascii=False, default=str) + "\n" for row in batch.to_pylist())


def flat(table: pa.Table) -> pa.Table:
    """The table with lists as text, which CSV can hold: `a|b`."""
    import pyarrow.compute as pc

    columns = {}
    for name in table.column_names:
        column = table[name]
        if pa.types.is_list(column.type) or pa.types.is_fixed_size_list(column.type) or pa.types.is_large_list(column.type):
            listed = column.cast(pa.list_(column.type.value_type)) if pa.types.is_fixed_size_list(column.type) else column
            column = pc.binary_join(
                pa.chunked_array([chunk.cast(pa.list_(pa.string())) for chunk in listed.chunks], pa.list_(pa.string())), "|"
            )
        columns[name] = column
    return pa.table(columns)

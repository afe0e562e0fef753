"""Predictions as files: .csv, .parquet and .jsonl, whole or not at all, on request without formulas."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa

from trainwright.config.errors import RequestError
from trainwright.files.outputs import write_output
from trainwright.tracking.formulas import FORMULA, NUMBER, escape_formula

WRITERS = (".csv", ".parquet", ".jsonl")


def ensure_table(path: Path, escape_formulas: bool = False) -> None:
    """Raises RequestError when the name of an output is no table's, or escapes are asked for where none are needed."""
    if path.suffix.lower() not in WRITERS:
        ending = path.suffix or path.name
        raise RequestError(f"cannot write '{ending}' files", where=str(path), fix=f"give a name that ends with {', '.join(WRITERS)}")
    if escape_formulas and path.suffix.lower() != ".csv":
        why = f"a spreadsheet runs no text of a {path.suffix} file"
        raise RequestError("there is nothing to escape", where="--escape-formulas", why=why, fix="leave it out, or write a .csv")


def write_table(table: pa.Table, path: Path, *, escape_formulas: bool = False) -> None:
    """Write a table whole or not at all, in the format its name ends with. Raises RequestError when the disk refuses."""
    with write_output(path) as temporary:
        if path.suffix.lower() == ".csv":
            import pyarrow.csv as csv

            csv.write_csv(formulas_escaped(flat(table)) if escape_formulas else flat(table), temporary)
        elif path.suffix.lower() == ".parquet":
            import pyarrow.parquet as pq

            pq.write_table(table, temporary)
        else:
            _write_lines(table, temporary)


def _write_lines(table: pa.Table, path: Path) -> None:
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

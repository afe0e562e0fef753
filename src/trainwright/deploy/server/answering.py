"""Predictions as an answer: JSON, CSV or Arrow, by what is accepted, else as the rows came."""

from __future__ import annotations

import io
import math
from typing import Any

import pyarrow as pa
import pyarrow.csv as arrow_csv

from trainwright.deploy.server.bodies import CSV, FILE, JSON, STREAM
from trainwright.deploy.server.refusals import written
from trainwright.deploy.server.service import Answer


def chosen_kind(accepted: str, given: str) -> str:
    """The form of an answer: the first that is accepted and can be written, else that of the rows, else JSON."""
    wanted = [each.partition(";")[0].strip().lower() for each in accepted.split(",")]
    named = next((each for each in wanted if each in (JSON, CSV, STREAM, FILE)), "")
    return named or (given if given in (CSV, STREAM, FILE) else JSON)


def write_answer(answer: Answer, kind: str, digest: str) -> bytes:
    """The bytes of an answer."""
    if kind == JSON:
        return written({"predictions": finite_rows(answer.table), "model": digest, "notes": answer.notes})
    buffer = io.BytesIO()
    if kind == CSV:
        arrow_csv.write_csv(with_texts(answer.table), buffer)
        return buffer.getvalue()
    writer = pa.ipc.new_stream(buffer, answer.table.schema) if kind == STREAM else pa.ipc.new_file(buffer, answer.table.schema)
    with writer:
        writer.write_table(answer.table)
    return buffer.getvalue()


def finite_rows(table: pa.Table) -> list[dict[str, Any]]:
    """Rows as JSON has them: no number that it cannot write."""
    names = table.column_names
    columns = [_finite(column.to_pylist()) if not pa.types.is_string(column.type) else column.to_pylist() for column in table.columns]
    return [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)]


def _finite(values: list[Any]) -> list[Any]:
    return [_of_one(each) for each in values]


def _of_one(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return _finite(value) if isinstance(value, list) else value


def with_texts(table: pa.Table) -> pa.Table:
    """Lists as texts, which CSV can hold."""
    columns = [
        pa.array([None if each is None else "|".join(map(str, each)) for each in column.to_pylist()])
        if pa.types.is_nested(column.type)
        else column
        for column in table.columns
    ]
    return pa.table(columns, names=table.column_names)

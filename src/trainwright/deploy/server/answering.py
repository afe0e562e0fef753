"""Predictions as an answer: JSON, CSV or Arrow, by what is accepted, else as the rows came."""

from __future__ import annotations

import io

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
        return written({"predictions": answer.records(), "model": digest, "notes": answer.asked.notes})
    buffer, table = io.BytesIO(), answer.table()
    if kind == CSV:
        arrow_csv.write_csv(with_texts(table), buffer)
        return buffer.getvalue()
    with (pa.ipc.new_stream if kind == STREAM else pa.ipc.new_file)(buffer, table.schema) as writer:
        writer.write_table(table)
    return buffer.getvalue()


def with_texts(table: pa.Table) -> pa.Table:
    """Lists as texts, which CSV can hold."""
    columns = [
        pa.array([None if each is None else "|".join(map(str, each)) for each in column.to_pylist()])
        if pa.types.is_nested(column.type)
        else column
        for column in table.columns
    ]
    return pa.table(columns, names=table.column_names)

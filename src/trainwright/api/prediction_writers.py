"""Predictions written as they come, piece by piece: .csv and .jsonl line by line, plain or as .gz, .parquet with a row group a piece."""

from __future__ import annotations

import gzip
import io
import json
from abc import ABC, abstractmethod
from pathlib import Path
from typing import IO

import pyarrow as pa

from trainwright.api.prediction_files import ending_of, flat, formulas_escaped, is_compressed
from trainwright.files.growing import GrowingFile

ROWS = "rows"
"""The file in the folder of a growing file that becomes the output."""


class PredictionWriter(ABC):
    """A file of predictions, begun or gone on with; the same rows in the same pieces make the same bytes."""

    @abstractmethod
    def append(self, table: pa.Table) -> None:
        """Write further rows, with the columns of the first ones."""

    def finish(self) -> None:  # noqa: B027 - most formats end with their last row
        """Write what stands after the last rows."""


class LineWriter(PredictionWriter):
    """Rows as lines; compressed, a piece is a member of its own."""

    def __init__(self, file: IO[bytes], path: Path, escape_formulas: bool = False) -> None:
        self.file, self.kind, self.escapes, self.compressed = file, ending_of(path), escape_formulas, is_compressed(path)
        self.empty = not _is_begun(file)

    def append(self, table: pa.Table) -> None:
        text = self._csv(table) if self.kind == ".csv" else _json_lines(table)
        self.file.write(gzip.compress(text, mtime=0) if self.compressed else text)
        self.empty = False

    def _csv(self, table: pa.Table) -> bytes:
        import pyarrow.csv as csv

        written = io.BytesIO()
        shown = flat(table)
        csv.write_csv(formulas_escaped(shown) if self.escapes else shown, written, csv.WriteOptions(include_header=self.empty))
        return written.getvalue()


def _json_lines(table: pa.Table) -> bytes:
    rows = (row for batch in table.to_batches(max_chunksize=10_000) for row in batch.to_pylist())
    return "".join(json.dumps(row, ensure_ascii=False, default=str) + "\n" for row in rows).encode()


class ParquetWriter(PredictionWriter):
    """A row group a piece. A Parquet file cannot be gone on with, so the pieces are kept as Arrow has them until all are there."""

    def __init__(self, file: IO[bytes], pieces: IO[bytes]) -> None:
        """`pieces`: where they are kept, one stream after the other."""
        self.file, self.pieces = file, pieces

    def append(self, table: pa.Table) -> None:
        with pa.ipc.new_stream(self.pieces, table.schema) as stream:
            stream.write_table(table)

    def finish(self) -> None:
        import pyarrow.parquet as pq

        end, writer = self.pieces.tell(), None
        self.pieces.seek(0)
        while self.pieces.tell() < end:
            with pa.ipc.open_stream(self.pieces) as stream:
                table = stream.read_all()
            writer = writer or pq.ParquetWriter(self.file, table.schema)
            writer.write_table(table.cast(writer.schema), row_group_size=max(1, table.num_rows))
        if writer is not None:
            writer.close()


def _is_begun(file: IO[bytes]) -> bool:
    return file.seekable() and file.tell() > 0


def prediction_writer(growing: GrowingFile, path: Path, escape_formulas: bool) -> PredictionWriter:
    """What writes predictions to a growing file, in the format that its name ends with."""
    file = growing.open(ROWS)
    if ending_of(path) == ".parquet":
        return ParquetWriter(file, growing.open("pieces"))
    return LineWriter(file, path, escape_formulas)

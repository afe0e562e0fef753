"""Parquet files, read whole or row group by row group."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as arrow_parquet

from trainwright.config.errors import DataError
from trainwright.config.received import ensure_right
from trainwright.data.arrow import plain_schema, take_rows
from trainwright.data.files import found_files, shared_name
from trainwright.data.row_index import index_note, read_schemas
from trainwright.data.schemas import common_schema, fit_table
from trainwright.data.source import FileSource, known_columns
from trainwright.data.sources import ParquetOptions

ROWS = 65536


class ParquetSource(FileSource):
    """Rows of one or several Parquet files with the same columns."""

    def __init__(self, options: ParquetOptions, memory_limit: int) -> None:
        files = found_files(options.path)
        self.opened = [_open(path) for path in files]
        schemas, left_out = read_schemas([each.schema_arrow for each in self.opened], options.keep_index)
        self.common = common_schema([plain_schema(each) for each in schemas], [path.name for path in files])
        super().__init__(files, shared_name(files, options.path), memory_limit)
        self.rows_by_file = [each.metadata.num_rows for each in self.opened]
        self.notes += [index_note(left_out)] if left_out else []

    def memory_needed(self) -> int:
        """Half as much again as the uncompressed row groups and eight bytes for each value."""
        return int(1.5 * sum(_count_uncompressed(each.metadata) for each in self.opened))

    def load(self) -> pa.Table:
        """All rows at once."""
        return pa.concat_tables(fit_table(self.plain(each.read(columns=self.common.names)), self.common) for each in self.opened)

    def survey(self) -> tuple[pa.Schema, int]:
        """Schema and rows, from the files' footers."""
        return self.common, sum(each.metadata.num_rows for each in self.opened)

    def pieces(self, columns: list[str] | None) -> Iterator[pa.Table]:
        """The rows in order, 65536 at a time."""
        wanted = self.common if columns is None else pa.schema([self.common.field(name) for name in columns])
        for each in self.opened:
            for batch in each.iter_batches(batch_size=ROWS, columns=wanted.names):
                yield fit_table(self.plain(pa.Table.from_batches([batch])), wanted)

    def read(self, indices: np.ndarray | None = None, columns: list[str] | None = None) -> pa.Table:
        """The rows numbered `indices` (all when None), in that order; streamed, only the row groups that hold them are read."""
        if self.table is not None or indices is None:
            return super().read(indices, columns)
        wanted = known_columns(self.common.names if columns is None else columns, self.common, self.name)
        schema = pa.schema([self.common.field(name) for name in wanted])
        return take_rows(self._groups(np.asarray(indices), schema), indices, schema)

    def _groups(self, indices: np.ndarray, schema: pa.Schema) -> Iterator[pa.Table]:
        """Every row group in order; one without a wanted row stands as a table of nulls that is never taken from."""
        first, ordered = 0, np.sort(indices)
        for each in self.opened:
            for group in range(each.metadata.num_row_groups):
                rows = each.metadata.row_group(group).num_rows
                if np.searchsorted(ordered, first) == np.searchsorted(ordered, first + rows):
                    yield pa.Table.from_arrays([pa.nulls(rows)], names=[""])
                else:
                    yield fit_table(self.plain(each.read_row_group(group, columns=schema.names)), schema)
                first += rows


def _open(path: Path) -> arrow_parquet.ParquetFile:
    try:
        # Otherwise the reader keeps every column chunk it has read, and reads it whole: a row group may be the whole file.
        return arrow_parquet.ParquetFile(path, pre_buffer=False, buffer_size=1 << 20)
    except (pa.ArrowInvalid, OSError) as error:
        ensure_right(error, path)
        why = str(error).splitlines()[0]
        raise DataError(
            f"'{path.name}' is not a Parquet file", where="data.source", why=why, fix="is it complete, and of that kind?"
        ) from error


def _count_uncompressed(metadata: arrow_parquet.FileMetaData) -> int:
    return (
        sum(metadata.row_group(group).total_byte_size for group in range(metadata.num_row_groups))
        + 8 * metadata.num_rows * metadata.num_columns
    )

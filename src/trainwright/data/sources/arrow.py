"""Arrow IPC files and streams, and Feather files, read whole or batch by batch."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from trainwright.config.errors import DataError
from trainwright.config.received import ensure_right
from trainwright.data.arrow import plain_schema
from trainwright.data.files import found_files, shared_name
from trainwright.data.row_index import index_note, read_schemas
from trainwright.data.schemas import common_schema, fit_table
from trainwright.data.source import FileSource
from trainwright.data.sources import ArrowOptions


class ArrowSource(FileSource):
    """Rows of one or several Arrow files with the same columns."""

    def __init__(self, options: ArrowOptions, memory_limit: int) -> None:
        files = found_files(options.path)
        schemas, left_out = read_schemas([_schema(path) for path in files], options.keep_index)
        self.common = common_schema([plain_schema(each) for each in schemas], [path.name for path in files])
        super().__init__(files, shared_name(files, options.path), memory_limit)
        self.notes += [index_note(left_out)] if left_out else []

    def memory_needed(self) -> int:
        """Three times the size of the files, because they may be compressed."""
        return 3 * sum(path.stat().st_size for path in self.files)

    def load(self) -> pa.Table:
        """All rows at once."""
        self._count()
        return pa.concat_tables([self.common.empty_table(), *self.pieces(None)])

    def survey(self) -> tuple[pa.Schema, int]:
        """Schema and rows, counted batch by batch."""
        self._count()
        return self.common, sum(self.rows_by_file)

    def _count(self) -> None:
        self.rows_by_file = [sum(batch.num_rows for batch in _batches(path)) for path in self.files]

    def pieces(self, columns: list[str] | None) -> Iterator[pa.Table]:
        """The rows in order, one batch of the file at a time."""
        wanted = self.common if columns is None else pa.schema([self.common.field(name) for name in columns])
        for path in self.files:
            for batch in _batches(path):
                yield fit_table(self.plain(pa.Table.from_batches([batch]).select(wanted.names)), wanted)


def _schema(path: Path) -> pa.Schema:
    try:
        with pa.OSFile(str(path)) as opened:
            if opened.read(4) == b"FEA1":
                return _feather(path).schema
            opened.seek(0)
            return (pa.ipc.open_file(opened) if _is_file(path) else pa.ipc.open_stream(opened)).schema
    except (pa.ArrowInvalid, OSError) as error:
        ensure_right(error, path)
        why = str(error).splitlines()[0]
        raise DataError(
            f"'{path.name}' is not an Arrow file", where="data.source", why=why, fix="is it complete, and of that kind?"
        ) from error


def _is_file(path: Path) -> bool:
    with path.open("rb") as opened:
        return opened.read(6) == b"ARROW1"


def _feather(path: Path) -> pa.Table:
    import pyarrow.feather

    return pyarrow.feather.read_table(str(path))


def _batches(path: Path) -> Iterator[pa.RecordBatch]:
    with pa.OSFile(str(path)) as opened:
        if opened.read(4) == b"FEA1":
            yield from _feather(path).to_batches()
            return
        opened.seek(0)
        if _is_file(path):
            reader = pa.ipc.open_file(opened)
            for number in range(reader.num_record_batches):
                yield reader.get_batch(number)
        else:
            yield from pa.ipc.open_stream(opened)

"""Rows of a table, or of several files, as a table's run answers them piece by piece."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from trainwright.config.errors import DataError, ManyErrors, RequestError
from trainwright.data.arrow import PIECE
from trainwright.data.expressions.selected import given_rows
from trainwright.data.expressions.selection import WHERE
from trainwright.data.source import Source
from trainwright.data.source_piece import SourcePiece, pieces_of
from trainwright.domains.pieces import Pieces
from trainwright.domains.tables.row_names import names_of
from trainwright.domains.tables.taken import TableRows
from trainwright.domains.tables.tally import Tally, say_files, say_notes
from trainwright.features.blocks import block_bytes
from trainwright.features.encoding import EncodedTable, TableEncoder
from trainwright.features.faults import explain_faults

HELD = 64 << 20
"""Bytes above which files are read piece by piece, and which the rows of a piece take at most, as they are given, encoded and answered."""
FEWEST, DECODED = 256, 1024
"""Rows of a piece: at least; and at most of columns that are decoded, which take much more time."""
VALUE = 24
"""Bytes that a value takes as it is given, a short text about."""


class TablePieces(Pieces):
    """Pieces of one or several sources, one after the other; no piece has rows of two."""

    def __init__(self, encoder: TableEncoder, sources: Sequence[Source], tells: bool = False) -> None:
        """`tells`: rows with values that cannot be read are left out, and why is told of each; otherwise they raise."""
        self.encoder, self.sources, self.tells = encoder, list(sources), tells
        self.given = [given_rows(source) for source in self.sources]
        self.total = sum(count for count, _ in self.given)
        self.files = [path for source in self.sources for path in files_of(source)]
        rows = rows_of_a_piece(encoder)
        self.plan = [(at, first, min(rows, count - first)) for at, (count, _) in enumerate(self.given) for first in range(0, count, rows)]
        """Which source, its first row and how many rows, of each piece."""
        self.sizes = [count for _, _, count in self.plan]
        self.tally = Tally()

    def take_from(self, first: int) -> Iterator[TableRows]:
        for number, source in enumerate(self.sources):
            own = [(start, count) for of, start, count in self.plan[first:] if of == number]
            if own:
                yield from self._of(source, self.given[number][1], own)

    def _of(self, source: Source, kept: np.ndarray | None, plan: Sequence[tuple[int, int]]) -> Iterator[TableRows]:
        """The pieces of a source: which of its rows were given in each (`start`, `count`), and of these the ones that are left."""
        edges = np.array([plan[0][0], *(start + count for start, count in plan)])
        edges = edges if kept is None else np.searchsorted(kept, edges)
        self.encoder.messages_from(source)
        for piece, (start, count) in zip(pieces_of(source, self.encoder.inputs, np.diff(edges).tolist(), int(edges[0])), plan, strict=True):
            yield self._encode(source, piece, kept, start, count)

    def _encode(self, source: Source, piece: SourcePiece, kept: np.ndarray | None, start: int, count: int) -> TableRows:
        faults: dict[int, str] = {}
        try:
            encoded = self.encoder.encode(piece, targets=False) if not self.tells else encode_around(self.encoder, piece, faults)
        except RequestError as error:  # what is wrong with all rows is told at once
            raise explain_faults(error, {name: self.encoder.features[name] for name in self.encoder.inputs}, source) from error
        self.tally.add(encoded)
        self.tally.left_out.update(each.partition(": ")[0] for each in faults.values())
        places = (encoded.rows if kept is None else kept[encoded.rows]) - start
        names = names_of(source, np.arange(start, start + count))
        reasons = self._reasons(encoded, piece, kept, faults, start, count) if self.tells else None
        return TableRows(encoded, np.arange(len(encoded.rows)), places, count, source.name, source=piece, names=names, reasons=reasons)

    def _reasons(
        self, encoded: EncodedTable, piece: SourcePiece, kept: np.ndarray | None, faults: Mapping[int, str], start: int, count: int
    ) -> pa.Array:
        """Why each row that was given has no answer, null for those that have one."""
        if len(encoded.rows) == count:
            return pa.nulls(count, pa.string())
        told = dict(faults) | {int(row): each.reason for each in encoded.dropped for row in each.rows}
        rows = np.arange(piece.first, piece.first + len(piece))
        reasons: list[str | None] = [f"left out by {WHERE}"] * count
        for row, place in zip(rows.tolist(), (rows if kept is None else kept[rows]) - start, strict=True):
            reasons[place] = told.get(row)
        return pa.array(reasons, pa.string())

    def counted(self) -> dict[str, Any]:
        return self.tally.state()

    def count_on(self, counted: Mapping[str, Any]) -> None:
        self.tally = Tally.restore(counted)

    def say_counts(self) -> None:
        for source in self.sources:
            say_notes(self.encoder, source)
        say_files(self.encoder)
        self.tally.say(self.encoder)


def encode_around(encoder: TableEncoder, piece: SourcePiece, faults: dict[int, str]) -> EncodedTable:
    """The rows of a piece that can be read, and in `faults` what is wrong with the others; raises errors that are not of single rows."""
    rows = np.arange(piece.first, piece.first + len(piece))
    while True:
        try:
            return encoder.encode(piece, rows[~np.isin(rows, list(faults))], targets=False)
        except RequestError as error:
            several = error.errors if isinstance(error, ManyErrors) else [error]
            found = [each.wrong_rows if isinstance(each, DataError) else {} for each in several]
            if not any(found):
                raise
            for each in found:
                faults |= {row: fault for row, fault in each.items() if row not in faults}


def rows_of_a_piece(encoder: TableEncoder) -> int:
    """As many rows as `HELD` bytes hold, a power of two; the same for every table, so that a file is cut alike each time."""
    widths = [int(np.prod(each.positions)) if each.positions else max(each.width, len(each.classes or ())) for each in encoder.spec.targets]
    row = block_bytes(encoder.layout([]), 1) + VALUE * (len(encoder.inputs) + sum(widths))
    most = DECODED if encoder.lazy_groups() else PIECE
    return min(most, max(FEWEST, 1 << max(HELD // row, 1).bit_length() - 1))


def files_of(source: Any) -> list[Path]:
    """The files of a source, or of the one inside."""
    while source is not None and not hasattr(source, "files"):
        source = getattr(source, "source", None)
    return [] if source is None else [Path(each) for each in source.files]

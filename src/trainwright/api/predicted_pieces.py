"""Rows answered piece by piece and written as they are, so that a file of any length needs the memory of a piece."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from trainwright import __version__
from trainwright.api.prediction_files import as_table, ending_of
from trainwright.api.prediction_writers import ROWS, LineWriter, ParquetWriter, PredictionWriter, prediction_writer
from trainwright.domains.pieces import Pieces
from trainwright.domains.predictor import Columns, Predictor
from trainwright.features.row_progress import RowProgress
from trainwright.files.growing import growing_file
from trainwright.files.outputs import is_special, refuse_writing
from trainwright.files.whole import sweep

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Predicted:
    """What was predicted: how many rows, and the predictions themselves unless they went to a file row by row."""

    rows: int
    columns: Columns | None = None


def answer_pieces(predictor: Predictor, pieces: Pieces, first: int = 0) -> Iterator[Columns]:
    """The predictions of each piece from number `first` on, with a line that says how far it is; at the end what was counted is told."""
    before = sum(pieces.sizes[:first])
    with RowProgress(pieces.total or 0, "predict", before=before) as progress:
        for rows in pieces.take_from(first):
            columns = predictor.answer(rows)
            yield columns
            before += count_rows(columns)
            if pieces.total is not None:
                progress(before, 0)
    pieces.say_counts()


def write_pieces(predictor: Predictor, pieces: Pieces, path: Path, escape_formulas: bool) -> Predicted:
    """Write predictions piece by piece: whole or not at all, and gone on with where a process was killed. Raises RequestError."""
    try:
        if is_special(os.fspath(path)):
            return _write_special(predictor, pieces, path, escape_formulas)
        real = Path(os.path.realpath(path))
        sweep(real.parent)
        with growing_file(real, _key(predictor, pieces, escape_formulas)) as growing:
            writer = prediction_writer(growing, path, escape_formulas)
            first, rows = growing.done.get("pieces", 0), growing.done.get("rows", 0)
            if first:
                pieces.count_on(growing.done["counted"])
                log.info("note: %s: %s rows were predicted before, and are gone on from", path, f"{rows:,}")
            for number, columns in enumerate(answer_pieces(predictor, pieces, first), start=first + 1):
                writer.append(_as_rows(columns, path))
                rows += count_rows(columns)
                growing.record({"pieces": number, "rows": rows, "counted": pieces.counted()})
            writer.finish()
            growing.finish(ROWS)
            return Predicted(rows)
    except OSError as error:
        raise refuse_writing(error, os.fspath(path), "-o") from error


def _write_special(predictor: Predictor, pieces: Pieces, path: Path, escape_formulas: bool) -> Predicted:
    """The same for a pipe or a device, which gets the whole file in the end."""
    with TemporaryFile() as file, TemporaryFile() as kept:
        writer: PredictionWriter = ParquetWriter(file, kept) if ending_of(path) == ".parquet" else LineWriter(file, path, escape_formulas)
        rows = 0
        for columns in answer_pieces(predictor, pieces):
            writer.append(_as_rows(columns, path))
            rows += count_rows(columns)
        writer.finish()
        file.seek(0)
        with path.open("wb") as device:
            shutil.copyfileobj(file, device)
    return Predicted(rows)


def _key(predictor: Predictor, pieces: Pieces, escape_formulas: bool) -> Any:
    """What the bytes of the output depend on; None where that cannot be said, so that nothing is gone on with."""
    answers = predictor.key()
    if answers is None or not pieces.files:
        return None
    read = [[os.path.realpath(each), (found := os.stat(each)).st_size, found.st_mtime_ns] for each in pieces.files]
    versions = [__version__, torch.__version__, pa.__version__]
    return {"model": answers, "rows": read, "pieces": list(pieces.sizes), "escape_formulas": escape_formulas, "versions": versions}


def _as_rows(columns: Columns, path: Path) -> pa.Table:
    return columns if isinstance(columns, pa.Table) else as_table(columns, path, apart=ending_of(path) == ".csv")


def join_columns(pieces: Sequence[Columns]) -> Columns:
    """The predictions of pieces, one after the other."""
    if isinstance(pieces[0], pa.Table):
        return pa.concat_tables(pieces)
    if len(pieces) == 1:
        return pieces[0]
    return {name: np.concatenate([each[name] for each in pieces]) for name in pieces[0]}


def count_rows(columns: Columns) -> int:
    """How many rows predictions are of."""
    return int(columns.num_rows) if isinstance(columns, pa.Table) else max(map(len, columns.values()), default=0)

"""Predictions of a trained model for new rows or for a split of its own, to columns or a file."""

from __future__ import annotations

import os
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from trainwright.api.predicted_pieces import Predicted, answer_pieces, count_rows, join_columns, write_pieces
from trainwright.api.prediction_files import ARRAYS, ending_of, ensure_predictions, write_arrays
from trainwright.api.prediction_writers import LineWriter
from trainwright.config.errors import RequestError
from trainwright.data.files import is_glob
from trainwright.domains.forms import are_paths
from trainwright.domains.pieces import OnePiece
from trainwright.domains.predictor import Predictor
from trainwright.files.outputs import ensure_output, ensure_output_folder, write_output_folder

IN_FOLDER = "predictions.csv"
"""The table of predictions in a folder of them."""


def predict_with(
    predictor: Predictor, data: Any, split: str, output: str | os.PathLike[str] | None = None, *, escape_formulas: bool = False
) -> Predicted:
    """Predictions for the rows of `data`, or without any for a split of the run's own, written to `output` when it is given.

    Rows are read, answered and written piece by piece, so that memory holds no more than a piece; without an output the answers are kept.
    What a killed process wrote of a file is gone on with. A folder gets `predictions.csv` beside predictions that are files (masks). With
    `escape_formulas` a text in a .csv that a spreadsheet would run gets a `'` before it. Raises RequestError before any row is read when
    the output's kind is not one of the predictor's, it cannot be written, or it is an input.
    """
    named = [os.fspath(each) for each in (data if are_paths(data) else [data]) if isinstance(each, str | os.PathLike)]
    folder = output is not None and is_folder(output)
    if output is not None and folder:
        ensure_folder(predictor, output, named)
    elif output is not None:
        ensure_predictions(Path(output), predictor.endings, escape_formulas)
        ensure_output(output, [named, predictor.reads], folders=predictor.folders)
        refuse_among(output, named)
    if output is not None and folder:
        return _write_folder(predictor, predictor.own_rows(split) if data is None else predictor.read(data), output, escape_formulas)
    pieces = OnePiece(predictor.own_rows(split)) if data is None else predictor.pieces(data)
    if output is not None and ending_of(output) not in ARRAYS:
        return write_pieces(predictor, pieces, Path(output), escape_formulas)
    columns = join_columns(list(answer_pieces(predictor, pieces)))
    if output is not None:
        write_arrays(columns, Path(output))
    return Predicted(count_rows(columns), columns)


def _write_folder(predictor: Predictor, rows: Any, output: str | os.PathLike[str], escape_formulas: bool) -> Predicted:
    """Write predictions that are files, and `predictions.csv` with their names; the names depend on all rows, so these are one piece."""
    with write_output_folder(output) as place:
        columns = predictor.write_files(rows, predictor.answer(rows), place)
        with (place / IN_FOLDER).open("wb") as file:
            LineWriter(file, place / IN_FOLDER, escape_formulas).append(columns)
    return Predicted(count_rows(columns), columns)


def is_folder(output: str | os.PathLike[str]) -> bool:
    """Whether an output is named as a folder: by a slash at its end, no ending, or because it is one."""
    named = os.fspath(output)
    return named.endswith(os.sep) or os.path.isdir(named) or not Path(named).suffix


def ensure_folder(predictor: Predictor, output: str | os.PathLike[str], named: Sequence[str]) -> None:
    """Raises RequestError for predictions that are one file, and for a folder that is not new or empty."""
    if not predictor.writes_files:
        why = "these predictions are one file, and its ending says which format it has"
        fix = f"-o {os.fspath(output).rstrip(os.sep)}{predictor.endings[0]}"
        raise RequestError("the ending of the file names no format", where=f"-o {os.fspath(output)}", why=why, fix=fix)
    ensure_output_folder(output, [named, predictor.reads])
    refuse_among(output, named)


def refuse_among(output: str | os.PathLike[str], sources: Sequence[str]) -> None:
    """Raises RequestError for a new file that a folder or a pattern which is predicted would read as more rows the next time."""
    real = os.path.realpath(output)
    for source in sources:
        named = os.path.realpath(os.path.expanduser(source))
        inside = Path(real).is_relative_to(named) if os.path.isdir(named) else is_glob(source) and fnmatchcase(real, named)
        if inside and (os.path.isdir(named) or "**" in named or real.count(os.sep) == named.count(os.sep)):
            what, why = "this file would become a part of the table", f"'{source}' names it too"
            raise RequestError(what, where=f"-o {os.fspath(output)}", why=why, fix="choose another place")

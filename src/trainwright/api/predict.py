"""Predictions of a trained model for new rows or for a split of its own, to columns or a file."""

from __future__ import annotations

import os
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from trainwright.api.prediction_files import ensure_predictions, write_predictions
from trainwright.api.predictors.kinds import load_predictor
from trainwright.config.errors import RequestError
from trainwright.data.files import is_glob
from trainwright.domains.predictor import Columns, Predictor
from trainwright.files.outputs import ensure_output, ensure_output_folder, write_output_folder

IN_FOLDER = "predictions.csv"
"""The table of predictions in a folder of them."""


def predict_file(
    run_path: str | os.PathLike[str], source: Any, output: str | os.PathLike[str] | None = None, *, escape_formulas: bool = False
) -> Columns:
    """Predictions of the model of a run for the rows of `source`, written to `output` when it is given; raises as `predict_with` does."""
    return predict_with(load_predictor(run_path), source, "", output, escape_formulas=escape_formulas)


def predict_with(
    predictor: Predictor, data: Any, split: str, output: str | os.PathLike[str] | None = None, *, escape_formulas: bool = False
) -> Columns:
    """Predictions for the rows of `data`, or without any for a split of the run's own, written to `output` when it is given.

    A folder gets `predictions.csv` beside predictions that are files (masks). With `escape_formulas` a text in a
    .csv that a spreadsheet would run gets a `'` before it. Raises RequestError before any row is read when the output's kind is not one of
    the predictor's, it cannot be written, or it is an input.
    """
    folder = output is not None and is_folder(output)
    if output is not None and folder:
        ensure_folder(predictor, output, data)
    elif output is not None:
        ensure_predictions(Path(output), predictor.endings, escape_formulas)
        ensure_output(output, [data if isinstance(data, str | os.PathLike) else [], predictor.reads], folders=predictor.folders)
        refuse_among(output, data)
    rows = predictor.read(data) if data is not None else predictor.own_rows(split)
    columns = predictor.answer(rows)
    if output is not None and folder:
        with write_output_folder(output) as place:
            columns = predictor.write_files(rows, columns, place)
            write_predictions(columns, place / IN_FOLDER, escape_formulas=escape_formulas)
    elif output is not None:
        write_predictions(columns, Path(output), escape_formulas=escape_formulas)
    return columns


def is_folder(output: str | os.PathLike[str]) -> bool:
    """Whether an output is named as a folder: by a slash at its end, no ending, or because it is one."""
    named = os.fspath(output)
    return named.endswith(os.sep) or os.path.isdir(named) or not Path(named).suffix


def ensure_folder(predictor: Predictor, output: str | os.PathLike[str], data: Any) -> None:
    """Raises RequestError for predictions that are one file, and for a folder that is not new or empty."""
    if not predictor.writes_files:
        why = "these predictions are one file, and its ending says which format it has"
        fix = f"-o {os.fspath(output).rstrip(os.sep)}{predictor.endings[0]}"
        raise RequestError("the ending of the file names no format", where=f"-o {os.fspath(output)}", why=why, fix=fix)
    ensure_output_folder(output, [data if isinstance(data, str | os.PathLike) else [], predictor.reads])
    refuse_among(output, data)


def refuse_among(output: str | os.PathLike[str], source: Any) -> None:
    """Raises RequestError for a new file that the folder or the pattern which is predicted would read as more rows the next time."""
    if not isinstance(source, str | os.PathLike):
        return
    real, named = os.path.realpath(output), os.path.realpath(os.path.expanduser(source))
    inside = Path(real).is_relative_to(named) if os.path.isdir(named) else is_glob(os.fspath(source)) and fnmatchcase(real, named)
    if inside and (os.path.isdir(named) or "**" in named or real.count(os.sep) == named.count(os.sep)):
        what, why = "this file would become a part of the table", f"'{os.fspath(source)}' names it too"
        raise RequestError(what, where=f"-o {os.fspath(output)}", why=why, fix="choose another place")

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
from trainwright.files.outputs import ensure_output


def predict_file(
    run_path: str | os.PathLike[str], source: Any, output: str | os.PathLike[str] | None = None, *, escape_formulas: bool = False
) -> Columns:
    """Predictions of the model of a run for the rows of `source`, written to `output` when it is given; raises as `predict_with` does."""
    return predict_with(load_predictor(run_path), source, "", output, escape_formulas=escape_formulas)


def predict_with(
    predictor: Predictor, data: Any, split: str, output: str | os.PathLike[str] | None = None, *, escape_formulas: bool = False
) -> Columns:
    """Predictions for the rows of `data`, or without any for a split of the run's own, written to `output` when it is given.

    With `escape_formulas` a text in a .csv that a spreadsheet would run gets a `'` before it. Raises RequestError before any row is read
    when the output's kind is not one of the predictor's, it cannot be written, or it is an input.
    """
    if output is not None:
        ensure_predictions(Path(output), predictor.endings, escape_formulas)
        ensure_output(output, [data if isinstance(data, str | os.PathLike) else [], predictor.reads], folders=predictor.folders)
        refuse_among(output, data)
    rows = predictor.read(data) if data is not None else predictor.own_rows(split)
    columns = predictor.answer(rows)
    if output is not None:
        write_predictions(columns, Path(output), escape_formulas=escape_formulas)
    return columns


def refuse_among(output: str | os.PathLike[str], source: Any) -> None:
    """Raises RequestError for a new file that the folder or the pattern which is predicted would read as more rows the next time."""
    if not isinstance(source, str | os.PathLike):
        return
    real, named = os.path.realpath(output), os.path.realpath(os.path.expanduser(source))
    inside = Path(real).is_relative_to(named) if os.path.isdir(named) else is_glob(os.fspath(source)) and fnmatchcase(real, named)
    if inside and (os.path.isdir(named) or "**" in named or real.count(os.sep) == named.count(os.sep)):
        what, why = "this file would become a part of the table", f"'{os.fspath(source)}' names it too"
        raise RequestError(what, where=f"-o {os.fspath(output)}", why=why, fix="choose another place")

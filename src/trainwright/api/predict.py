"""Predictions for new rows, to a table or a file."""

from __future__ import annotations

import os
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pyarrow as pa

from trainwright.api.prediction_files import ensure_table, write_table
from trainwright.api.run import load
from trainwright.config.errors import RequestError
from trainwright.data.files import is_glob
from trainwright.files.outputs import ensure_output
from trainwright.runs.directory import RunDirectory


def predict_file(
    run_path: str | os.PathLike[str], source: Any, output: str | os.PathLike[str] | None = None, *, escape_formulas: bool = False
) -> pa.Table:
    """Predictions for the rows of `source`, written to `output` (.csv, .parquet or .jsonl) when it is given.

    With `escape_formulas` a text in a .csv that a spreadsheet would run gets a `'` before it. Raises RequestError before anything is read
    when the output's kind is unknown, it cannot be written, or it is an input.
    """
    run = load(run_path)
    if output is not None:
        ensure_table(Path(output), escape_formulas)
        ensure_output(output, [source if isinstance(source, str | os.PathLike) else [], trained_on(run.directory)])
        refuse_among(output, source)
    table = run.model.predict(run.model.encoder.read(source))
    if output is not None:
        write_table(table, Path(output), escape_formulas=escape_formulas)
    return table


def refuse_among(output: str | os.PathLike[str], source: Any) -> None:
    """Raises RequestError for a new file that the folder or the pattern which is predicted would read as more rows the next time."""
    if not isinstance(source, str | os.PathLike):
        return
    real, named = os.path.realpath(output), os.path.realpath(os.path.expanduser(source))
    inside = Path(real).is_relative_to(named) if os.path.isdir(named) else is_glob(os.fspath(source)) and fnmatchcase(real, named)
    if inside and (os.path.isdir(named) or "**" in named or real.count(os.sep) == named.count(os.sep)):
        what, why = "this file would become a part of the table", f"'{os.fspath(source)}' names it too"
        raise RequestError(what, where=f"-o {os.fspath(output)}", why=why, fix="choose another place")


def trained_on(run: RunDirectory) -> list[str]:
    """The files that a run was trained on, which are not overwritten by what it predicts."""
    try:
        found = run.read_json("data.json")
        paths = found["source"]["fingerprint"]["paths"]
    except (RequestError, KeyError, TypeError):  # it names none, then; whoever needs the file will say what is wrong with it
        return []
    return [each for each in paths if isinstance(each, str)] if isinstance(paths, list) else []

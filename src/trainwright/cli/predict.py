"""`trainwright predict`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from trainwright.cli.forms import Form
from trainwright.cli.launch import Launch, add_launch_flags, prepare
from trainwright.cli.parser import Parser, add_trust_flag
from trainwright.cli.style import dim, table, width
from trainwright.config.errors import RequestError, did_you_mean

HEAD = 10
ENDINGS = (".csv", ".parquet", ".jsonl")


def run(words: Sequence[str]) -> int:
    """Predict the rows of a file; write them, or print the first."""
    arguments = parser().parse(words)
    launch = prepare(arguments)
    if arguments.escape_formulas and not (arguments.data and arguments.output):
        why = "only a file that a spreadsheet may open has formulas to be escaped"
        raise RequestError("nothing is written as CSV", where="--escape-formulas", why=why, fix="name DATA, and a file: -o predictions.csv")
    if arguments.data is None:
        return predict_own(arguments, launch)
    if arguments.output and not arguments.output.lower().endswith(ENDINGS):
        ending = arguments.output.rpartition(".")[2] if "." in arguments.output else ""
        fix = did_you_mean(f".{ending}", ENDINGS)
        raise RequestError("the ending of the file names no format", where=f"command line: -o {arguments.output}", fix=fix)
    if not looks_like_table(arguments):
        return predict_own(arguments, launch)
    arguments.use("table")
    from trainwright.data.arrow import pandas_later

    pandas_later()
    from trainwright.api.predict import predict_file

    launch.start_console()
    predictions = predict_file(arguments.run, arguments.data, arguments.output, escape_formulas=arguments.escape_formulas)
    if arguments.output:
        print(f"{arguments.output}: {predictions.num_rows} rows")
    else:
        print(head(predictions))
    return 0


def looks_like_table(arguments: Any) -> bool:
    """Whether the run is a table's, which predicts the rows of a file."""
    from trainwright.api.own.config import is_own_run
    from trainwright.cli.test import is_configuration, refuse_fitted
    from trainwright.runs.directory import RunDirectory

    if is_configuration(arguments.run):
        return False
    found = RunDirectory.open(arguments.run)
    refuse_fitted(found)
    return not is_own_run(found)


def predict_own(arguments: Any, launch: Launch) -> int:
    """Predict the rows that a system's own data give for the split `predict`, or another."""
    from pathlib import Path

    from trainwright.api.config import compose_config, read_config
    from trainwright.api.own.config import is_own_run
    from trainwright.api.own.measure import ensure_predictions, from_config, from_run, predict_split, write_predictions
    from trainwright.api.resume import with_config
    from trainwright.cli.test import is_configuration, refuse_fitted

    launch.start_console()
    launch.check_gpus()
    where = f"trainwright predict {arguments.run}"
    output = Path(arguments.output or f"predictions-{arguments.split}.safetensors")
    if is_configuration(arguments.run):
        arguments.use("config")
        if not arguments.weights:
            raise RequestError("there is nothing to predict with", where=where, fix="name a run, or add --weights RUN|FILE")
        composed = compose_config(arguments.run, launch.settings)
        ensure_predictions(output, [arguments.weights, composed.files, composed.values], composed.folders)
        trained = from_config(composed, arguments.split, arguments.weights)
    else:
        found = with_config(arguments.run)
        refuse_fitted(found)
        if not is_own_run(found):
            raise RequestError("a table's run predicts the rows of a file", where=where, fix=f"{where} new.csv")
        if arguments.data is not None:
            why = "its data come from its configuration"
            raise RequestError("this run's system reads no files here", where=arguments.data, why=why, fix=f"{where} --split test")
        ensure_predictions(output, read_config(found.config).model_dump(mode="json"))
        arguments.use("own run")
        trained = from_run(found, arguments.split, launch.settings)
    outputs = predict_split(trained, arguments.split)
    write_predictions(outputs, output)
    print(f"{output}: " + ", ".join(f"{name} {tuple(each.shape)}" for name, each in outputs.items()))
    return 0


def head(predictions: Any) -> str:
    """The first rows of an Arrow table, as many columns as fit."""
    rows = predictions.slice(0, HEAD).to_pylist()
    names: list[str] = []
    used = 0
    for name in predictions.column_names:
        used += 2 + max([len(name), *(len(_cell(row[name])) for row in rows)])
        if used > width() + 2 and names:
            break
        names.append(name)
    left_out = ((predictions.num_rows - len(rows), "row"), (predictions.num_columns - len(names), "column"))
    more = [f"{count} more {what}{'s' * (count > 1)}" for count, what in left_out if count]
    shown = table(names, [[_cell(row[name]) for name in names] for row in rows])
    return f"{shown}\n{dim(', '.join(more) + '; -o FILE writes them all')}" if more else shown


def _cell(value: Any) -> str:
    text = f"{value:.6g}" if isinstance(value, float) else "" if value is None else str(value)
    return text if len(text) <= 40 else text[:39] + "…"


def parser() -> Parser:
    """The arguments of the command."""
    made = Parser(
        "predict",
        "Predict the rows of a file: the value or class of each target, with the probability of each class. "
        "Without -o the first rows are printed. A run with a system of your own predicts the `predict` split of its data, "
        "to a .safetensors or .npz file.",
        "RUN DATA [-o FILE]  or  RUN|CONFIG [--split NAME] [-o FILE]",
        [
            "trainwright predict runs/mine --split test -o predictions.npz",
            "trainwright predict runs/titanic-survived new.csv",
            "trainwright predict runs/titanic-survived new.csv -o predictions.parquet",
        ],
    )
    made.add_argument("run", metavar="RUN", help="a run directory, or a folder of runs (its latest)")
    made.add_argument("data", metavar="DATA", nargs="?", help="a data file, a folder of year=… folders, a glob in quotes, or builtin:NAME")
    made.add_argument("--split", default="predict", metavar="NAME", help="of a system of your own: which split of its data")
    made.add_argument("--weights", default="", metavar="RUN|FILE", help="weights for a configuration")
    add_trust_flag(made)
    add_launch_flags(made, ("gpu", "verbose", "typecheck"))
    made.add_argument("-o", "--output", metavar="FILE", help="where to write them; .csv, .parquet or .jsonl")
    made.add_argument(
        "--escape-formulas", action="store_true", help="in a .csv, put a ' before text that a spreadsheet would run: = + - @ at its start"
    )
    own = ("split", "output", "gpu", "verbose", "typecheck")
    with_weights = "name its configuration instead: trainwright predict RUN/config.yaml --weights FILE"
    table = ("output", "escape_formulas", "verbose", "typecheck")
    made.forms = {
        "table": Form("the rows of a file", table, instead="leave it out: the run's own model predicts all rows"),
        "own run": Form("a run of a system of one's own", own, instead=with_weights),
        "config": Form("a configuration", (*own, "weights")),
    }
    return made

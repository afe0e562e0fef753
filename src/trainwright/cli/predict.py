"""`trainwright predict`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from trainwright.cli.forms import GIVEN, MEASURING, OF_ROWS, Form
from trainwright.cli.launch import add_launch_flags, prepare
from trainwright.cli.parser import ConfiguredParser, add_trust_flag
from trainwright.cli.style import dim, table, width
from trainwright.cli.words import add_given, divide_files, ensure_one
from trainwright.config.errors import RequestError, did_you_mean
from trainwright.domains.asked import ANSWERING

HEAD = 10
ENDINGS = (".csv", ".parquet", ".jsonl", ".csv.gz", ".jsonl.gz", ".npz", ".safetensors")


def run(words: Sequence[str]) -> int:
    """Predict rows, or a split of the run's own; write the predictions, or print the first."""
    arguments = parser().parse(words)
    launch = prepare(arguments)
    data, settings = divide_files(arguments.given)
    ensure_one(data, arguments.split)
    ensure_written(arguments.output, arguments.escape_formulas)
    ensure_rows_for(arguments.bad_rows, data)
    from trainwright.api.predictors.kinds import find_rows_model

    found = find_rows_model(arguments.run, arguments.weights)
    arguments.use(found.form, settings)
    launch.start_console()
    launch.check_gpus()
    from trainwright.data.arrow import pandas_later

    pandas_later()
    from trainwright.api.predict import predict_with

    predictor = found.open([*launch.settings, *settings])
    predictor = predictor if arguments.threshold is None else predictor.decided_at(arguments.threshold)
    predictor = predictor.with_embeddings() if arguments.embeddings else predictor
    predictor = predictor.with_reasons() if arguments.bad_rows == "null" else predictor
    split = "" if data is not None else named_split(arguments, predictor.usual_split)
    output = arguments.output or predictor.usual_output(split)
    predicted = predict_with(predictor, data, split, output, escape_formulas=arguments.escape_formulas)
    print(describe(predicted, output))
    return 0


def ensure_rows_for(bad_rows: str, data: Any) -> None:
    """Raises RequestError where bad rows are to be null among rows of the run's own, which training has read."""
    if bad_rows == "null" and data is None:
        why = "the rows of a split were read in training, by the policies of its columns"
        raise RequestError("--bad-rows null has no effect here", where="command line", why=why, fix="leave it out, or name DATA")


def ensure_written(output: str | None, escape_formulas: bool) -> None:
    """Raises RequestError for a file in no format, and for escapes where no file is written."""
    if escape_formulas and not output:
        why = "only a file that a spreadsheet may open has formulas to be escaped"
        raise RequestError("nothing is written as CSV", where="--escape-formulas", why=why, fix="name DATA, and a file: -o predictions.csv")
    if output and output.endswith("/") and output.rstrip("/").lower().endswith(ENDINGS):
        fix = f"{output.rstrip('/')} for the file, or name a folder"
        raise RequestError("a name with a slash at its end means a folder", where=f"command line: -o {output}", fix=fix)
    named_as_folder = bool(output) and (str(output).endswith("/") or "." not in str(output).rpartition("/")[2])
    if output and not named_as_folder and not output.lower().endswith(ENDINGS):
        ending = output.rpartition(".")[2] if "." in output else ""
        fix = did_you_mean(f".{ending}", ENDINGS)
        raise RequestError("the ending of the file names no format", where=f"command line: -o {output}", fix=fix)


def named_split(arguments: Any, usual: str | None) -> str:
    """The split to be predicted; raises RequestError where none is named and the run has none that is meant by itself."""
    split = arguments.split or usual
    if split is None:
        where = f"trainwright predict {arguments.run}"
        raise RequestError("there are no rows to predict", where=where, fix=f"name them: {where} new.csv")
    return str(split)


def describe(predicted: Any, output: Any) -> str:
    """What was written where, or the first rows; arrays that are no table by name and shape."""
    from trainwright.api.prediction_files import as_table
    from trainwright.domains.predictor import shapes_of

    columns = predicted.columns
    if columns is None:
        return f"{output}: {predicted.rows:,} row{'s' * (predicted.rows != 1)}"
    if not isinstance(columns, dict):
        return f"{output}: {columns.num_rows} rows" if output else head(columns)
    if output or any(each.ndim > 2 for each in columns.values()):
        return f"{output}: {shapes_of(columns)}" if output else f"{shapes_of(columns)}\n{dim('-o FILE.npz writes them')}"
    return head(as_table(columns))


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


def parser() -> ConfiguredParser:
    """The arguments of the command."""
    made = ConfiguredParser(
        "predict",
        "Predict rows. A table's run gives the value or class of each target, with the probability of each class; any other run what its "
        "`predict_step` gives for the arrays of a batch by name (.npz, .safetensors, or a table with columns of these names). Without "
        "DATA a split of the run's own data is predicted. Without -o the first rows are printed.",
        "RUN|CONFIG [DATA …] [--split NAME] [-o FILE] [--embeddings] [key=value …]",
        [
            "trainwright predict runs/titanic-survived new.csv",
            "trainwright predict runs/titanic-survived new.csv -o predictions.parquet",
            "trainwright predict runs/titanic-survived new.csv --threshold tuned",
            "trainwright predict runs/photos folder/ -o out.parquet --embeddings",
            "trainwright predict runs/shapes photos -o masks/",
            "trainwright predict model.onnx 'rows-*.parquet' -o out.parquet",
            "trainwright predict runs/mine --split test -o predictions.npz",
            "trainwright predict runs/fitted rows.npz model=./net.py:Net -o predictions.csv",
        ],
    )
    add_given(made, "a data file, a folder of year=… folders, a glob in quotes, builtin:NAME; arrays by name")
    made.add_argument("--split", metavar="NAME", help="which split of the run's own data; default for a system of your own: predict")
    made.add_argument(
        "--threshold", metavar="P|tuned", help="probability from which a row is called positive; tuned: the best F1 on the validation rows"
    )
    made.add_argument("--embeddings", action="store_true", help="the encoder's output of each row too, as a column of lists: `embedding`")
    made.add_argument(
        "--bad-rows",
        choices=("error", "null"),
        default="error",
        help="rows with values that cannot be read: `error` names them and writes nothing, `null` leaves them without a prediction, with a "
        "column `reason`",
    )
    made.add_argument("--weights", default="", metavar="RUN|FILE", help="weights for a configuration")
    add_trust_flag(made)
    add_launch_flags(made, ("gpu", "verbose", "typecheck"))
    made.add_argument("-o", "--output", metavar="FILE|FOLDER", help=f"where to write them; {', '.join(ENDINGS)}; a folder for masks")
    made.add_argument(
        "--escape-formulas", action="store_true", help="in a .csv, put a ' before text that a spreadsheet would run: = + - @ at its start"
    )
    written = ("output", "escape_formulas", "verbose", "typecheck")
    with_weights = "name its configuration instead: trainwright predict RUN/config.yaml --weights FILE"
    own, of_table = "a run of a system of one's own", ("split", "threshold", "embeddings", "bad_rows", *written)
    made.forms = {
        "table": Form("a table's run", of_table, ANSWERING, "leave it out: the run's own model predicts all rows"),
        "own run": Form(own, ("split", "gpu", *written), MEASURING, f"leave it out; for other weights {with_weights}", OF_ROWS),
        "fit run": Form("a run of tw.fit", ("gpu", *written), GIVEN, "leave it out: its data are not in its files"),
        "exported file": Form("an exported file", ("bad_rows", *written), (), "leave it out: the file answers as it was exported"),
        "weights": Form("a configuration with weights", ("split", "weights", "gpu", *written), MEASURING, "leave it out"),
    }
    return made

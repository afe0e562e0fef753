"""`trainwright explain`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from trainwright.cli.forms import GIVEN, MEASURING, OF_ROWS, Form
from trainwright.cli.launch import add_launch_flags, prepare
from trainwright.cli.parser import ConfiguredParser, add_trust_flag
from trainwright.cli.words import add_given, divide_given, ensure_one
from trainwright.config.errors import RequestError

SHARED = ("method", "column", "group", "output", "target", "baseline", "rows", "row", "seed", "batch_size", "folder", "json")


def run(words: Sequence[str]) -> int:
    """Explain rows, or a split of the run's own; print a table, or JSON."""
    arguments = parser().parse(words)
    launch = prepare(arguments)
    data, settings = divide_given(arguments.given)
    ensure_one(data, arguments.split)
    from trainwright.api.predictors.kinds import find

    found = find(arguments.run, arguments.weights)
    arguments.use(found.form, settings)
    launch.start_console()
    launch.check_gpus()
    from trainwright.data.arrow import pandas_later

    pandas_later()
    from trainwright.api.explain import explain_with, read_asked

    asked = read_asked(
        arguments.method,
        given_options(vars(arguments)),
        columns=[each for text in arguments.column or [] for each in names_in(text)],
        groups=[names_in(text) for text in arguments.group or []],
        output=arguments.output,
        baseline=arguments.baseline,
        rows=arguments.rows,
        row=arguments.row or [],
        seed=arguments.seed,
        batch_size=arguments.batch_size,
    )
    predictor = found.open([*launch.settings, *settings])
    explained = explain_with(predictor, asked, data, split=arguments.split or "test", target=arguments.target, folder=arguments.folder)
    from trainwright.cli.explained import describe_explanation

    about = {**predictor.about(), **({"source": data} if data is not None else {"split": arguments.split or "test"})}
    print(
        json.dumps({**about, **explained.as_json()}, indent=1, ensure_ascii=False)
        if arguments.json
        else describe_explanation(explained, arguments.folder)
    )
    return 0


def options() -> tuple[str, ...]:
    """The flags that are options of methods."""
    shared = ("of", "layer", "metric", "repeats", "grid", "curves", "residual", "token")
    return (*shared, "steps", "most_steps", "tolerance", "window", "stride")


def given_options(given: Mapping[str, Any]) -> dict[str, Any]:
    """The options of the method that were written as flags."""
    found = {name: given[name] for name in options() if given.get(name) is not None}
    for name in ("window", "stride"):
        if name in found:
            found[name] = sizes_in(found[name], f"--{name}")
    return found


def names_in(text: str) -> list[str]:
    """Names written with commas between them."""
    return [each.strip() for each in text.split(",") if each.strip()]


def sizes_in(text: str, flag: str) -> list[int]:
    """Whole numbers with commas between them; raises RequestError for anything else."""
    try:
        return [int(each) for each in text.replace("x", ",").split(",")]
    except ValueError:
        raise RequestError(
            f"'{text}' is no list of sizes", where=f"{flag} {text}", fix=f"write one for each dimension: {flag} 8,8"
        ) from None


def parser() -> ConfiguredParser:
    """The arguments of the command."""
    made = ConfiguredParser(
        "explain",
        "Show what a model makes its answers of: which columns of a table, numbers of a tensor or places of an array, in which rows. "
        "Without DATA the test rows of the run are explained. -o writes a page, pictures and all numbers.",
        "RUN|CONFIG [DATA] --method NAME [--column NAME …] [--class NAME] [--rows N] [-o FOLDER] [--json]",
        [
            "trainwright explain runs/titanic-survived new.csv",
            "trainwright explain runs/titanic-survived new.csv --method shapley --columns sex,age,fare --row 3",
            "trainwright explain runs/titanic-survived --method permutation --group sibsp,parch",
            "trainwright explain runs/titanic-survived --method partial_dependence --column age -o age",
            "trainwright explain runs/digits photos.csv --method grad_cam --class 7 -o maps",
            "trainwright explain runs/cats photo.jpg --method grad_cam -o saliency.png",
        ],
        more=lambda: "trainwright list explainer shows the methods with their options",
    )
    add_given(made, "a data file, a folder of year=… folders, a glob in quotes, builtin:NAME; arrays by name")
    _add_question(made)
    _add_options(made)
    made.add_argument("--weights", default="", metavar="RUN|FILE", help="weights for a configuration")
    made.add_argument("--json", action="store_true", help="print JSON, every row with its shares")
    made.add_argument(
        "-o",
        "--folder",
        metavar="FOLDER|FILE.png",
        help="where to write explanation.html, .json, picture.svg, maps and attributions.npz; or the map of one row as a picture",
    )
    add_trust_flag(made)
    add_launch_flags(made, ("gpu", "verbose", "typecheck"))
    shared = (*SHARED, *options())
    made.forms = {
        "table": Form(
            "a table's run", ("split", *shared, "verbose", "typecheck"), instead="leave it out: the run's own model is explained"
        ),
        "own run": Form(
            "a run of a system of one's own", ("split", *shared, "gpu", "verbose", "typecheck"), MEASURING, "leave it out", OF_ROWS
        ),
        "fit run": Form("a run of tw.fit", (*shared, "gpu", "verbose", "typecheck"), GIVEN, "leave it out: its data are not in its files"),
        "weights": Form(
            "a configuration with weights", ("split", "weights", *shared, "gpu", "verbose", "typecheck"), MEASURING, "leave it out"
        ),
    }
    return made


def _add_question(made: ConfiguredParser) -> None:
    add = made.add_argument
    add(
        "--method",
        default="integrated_gradients",
        metavar="NAME",
        help="integrated_gradients (the default), occlusion, shapley, permutation, partial_dependence, grad_cam, attention_rollout",
    )
    add(
        "--column", "--columns", action="append", dest="column", metavar="A,B", help="columns or tensors that are told of; all unless named"
    )
    add("--group", action="append", metavar="A,B", help="columns that count as one; may be given again")
    add(
        "--class",
        "--output",
        default="",
        dest="output",
        metavar="NAME",
        help="the class that is explained; the likeliest of each row unless named",
    )
    add("--target", default="", metavar="NAME", help="which target, or which tensor of what the model gives; the first unless named")
    add(
        "--baseline",
        default="",
        metavar="KIND",
        help="what rows are compared with: typical (a table's default), mean, zero (of tensors), row:N",
    )
    add("--split", metavar="NAME", help="which split of the run's own data, where no DATA are named; test unless given")
    add("--rows", type=int, default=1000, metavar="N", help="at most so many rows, drawn by the seed; 1000")
    add("--row", type=int, action="append", metavar="N", help="this row alone, from 1; may be given again")
    add("--seed", type=int, default=0, metavar="N", help="fixes what is drawn and shuffled; 0")
    add("--batch-size", type=int, default=256, metavar="N", help="rows that are read at a time; the numbers are the same at any; 256")


def _add_options(made: ConfiguredParser) -> None:
    add = made.add_argument
    add("--of", metavar="answer|logit", help="explain the probability or value that is answered (the default), or what comes before it")
    add("--steps", type=int, metavar="N", help="integrated_gradients: points between baseline and row; 50")
    add("--most-steps", type=int, metavar="N", help="integrated_gradients: points up to which they are doubled; 800")
    add("--tolerance", type=float, metavar="SHARE", help="integrated_gradients: how far a sum may be off before; 0.05")
    add("--layer", metavar="NAME", help="grad_cam: the layer that is looked at; attention_rollout: a pattern of those that count")
    add("--window", metavar="N,M", help="occlusion: sizes of the window over an array, 0 for a whole dimension")
    add("--stride", metavar="N,M", help="occlusion: how far it moves; its own size unless given")
    add("--repeats", type=int, metavar="N", help="permutation: how often each column is shuffled; 5")
    add("--metric", metavar="NAME", help="permutation: the metric; the one that picks the best checkpoint unless named")
    add("--grid", type=int, metavar="N", help="partial_dependence: values of a number that are tried; 20")
    add("--curves", type=int, metavar="N", help="partial_dependence: rows whose own curve is kept; 50")
    add("--residual", type=float, metavar="SHARE", help="attention_rollout: what passes each layer beside its attention; 0.5")
    add("--token", metavar="NAME", help="attention_rollout: the token read out: auto, mean, first or last")

"""`trainwright calibrate`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from trainwright.cli.forms import Form
from trainwright.cli.launch import add_launch_flags, prepare
from trainwright.cli.parser import ConfiguredParser, add_trust_flag
from trainwright.cli.words import divide_given
from trainwright.config.errors import RequestError
from trainwright.config.places import Place
from trainwright.config.reading import literal

SETTINGS = ("evaluation", "run.dir", "run.name", "run.device", "run.threads", "trainer.evaluation_batch_size")
OPTIONS = {"alpha": ("conformal",), "score": ("conformal",), "metric": ("thresholds",)}
"""Flag → the methods that have such an option."""


def run(words: Sequence[str]) -> int:
    """Make a calibrated child of a run; what it came to is printed."""
    arguments = parser().parse(words)
    launch = prepare(arguments)
    data, settings = divide_given(arguments.given)
    methods = methods_asked(arguments)
    launch.start_console()
    from trainwright.api.predictors.kinds import find_run

    arguments.use(find_run(arguments.run).form, settings)
    from trainwright.data.arrow import pandas_later

    pandas_later()
    from trainwright.api.calibrate import calibrate

    shown = " ".join(["command line:", *(f"--method {each['type']}" for each in methods)])
    calibrate(arguments.run, data, methods=methods, settings=[*launch.settings, *settings], targets=arguments.target, where=shown)
    return 0


def methods_asked(arguments: Any) -> list[dict[str, Any]]:
    """The methods with their options; raises RequestError for an option of a method that is not asked for."""
    names = [each.strip() for given in arguments.method for each in given.split(",") if each.strip()]
    values = {"alpha": arguments.alpha, "score": arguments.score, "metric": arguments.metric}
    given = [flag for flag, value in values.items() if value is not None]
    names = names or list(dict.fromkeys(OPTIONS[flag][0] for flag in given))  # an option says which method is meant
    found: list[dict[str, Any]] = [{"type": name} for name in names]
    for flag in given:
        value, owners = values[flag], OPTIONS[flag]
        owned = [each for each in found if each["type"] in owners]
        if not owned:
            fix = f"add --method {owners[0]}"
            raise RequestError(f"--{flag} has no effect here", where="command line", why=f"it is an option of {owners[0]}", fix=fix)
        for each in owned:
            each[flag] = literal(value, Place(f"command line: --{flag} {value}")).plain()
    return found


def parser() -> ConfiguredParser:
    """The arguments of the command."""
    made = ConfiguredParser(
        "calibrate",
        "Make a child of a finished run that says how sure it is: probabilities that come true as often as they say, thresholds where a "
        "metric is best, intervals and sets of classes with a stated coverage. They are fitted on the run's validation rows, or on the "
        "labelled rows of DATA, and measured on its test rows. The run itself stays as it is.",
        "RUN [DATA] [--method NAME …] [--alpha A] [--score NAME] [--metric NAME] [--target NAME …] [key=value …]",
        [
            "trainwright calibrate runs/titanic-survived",
            "trainwright calibrate runs/titanic-survived --method temperature --method thresholds --metric mcc",
            "trainwright calibrate runs/diamonds-price later.csv --alpha 0.05",
            "trainwright calibrate runs/mine 'evaluation.calibration=[{type: thresholds, metric: cost, false_negative: 10}]'",
        ],
    )
    made.add_argument("run", metavar="RUN", help="a run directory, or a folder of runs (its latest)")
    rows = "labelled rows to fit on: a data file, a folder, a glob in quotes; default: the run's validation rows"
    made.add_argument("given", nargs="*", metavar="DATA", help=f"{rows}; and settings: key=value")
    usual = "may be given several times; default: temperature for classes, conformal for numbers (trainwright list calibration)"
    made.add_argument(
        "--method", action="append", default=[], metavar="NAME", help=f"temperature, vector, thresholds or conformal; {usual}"
    )
    made.add_argument("--alpha", metavar="A", help="for conformal: the share of new rows that may be missed; default 0.1")
    made.add_argument("--score", metavar="NAME", help="for conformal: residual (numbers), lac or aps (classes)")
    made.add_argument("--metric", metavar="NAME", help="for thresholds: f1 (the default), mcc, youden, balanced_accuracy, cost, …")
    made.add_argument(
        "--target", action="append", default=[], metavar="NAME", help="the targets that are calibrated; default: all that fit"
    )
    add_trust_flag(made)
    add_launch_flags(made, ("verbose", "typecheck"))
    flags = ("method", "alpha", "score", "metric", "target", "verbose", "typecheck")
    made.forms = {
        "table": Form("a table's run", flags, SETTINGS, "leave it out: the model stays as it was trained"),
        "own run": Form("a run of a system of one's own", flags, SETTINGS),
        "fit run": Form("a run of tw.fit", flags, SETTINGS),
    }
    return made

"""`trainwright test`, and what it shares with `trainwright validate` of a run."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from trainwright.cli.forms import MEASURING, OF_ROWS, Form
from trainwright.cli.launch import LAUNCH, add_launch_flags, prepare
from trainwright.cli.parser import ConfiguredParser, add_trust_flag
from trainwright.config.errors import RequestError, RunError

if TYPE_CHECKING:
    from trainwright.runs.directory import RunDirectory


def run(words: Sequence[str]) -> int:
    """Measure a run, or a configuration with weights, on its test rows."""
    arguments = parser().parse(words)
    launch = prepare(arguments)
    return measure(arguments, launch, "test")


def measure(arguments: Any, launch: Any, split: str) -> int:
    """Print the metrics of a split: of a run, or of a configuration with weights."""
    from trainwright.cli.evaluate import describe_metrics

    launch.start_console()
    launch.check_gpus()
    found = metrics_of(arguments, [*launch.settings, *arguments.settings], split)
    print(json.dumps(found, indent=2, ensure_ascii=False) if arguments.json else describe_metrics(found))
    return 0


def metrics_of(arguments: Any, settings: list[Any], split: str) -> dict[str, Any]:
    """Metrics of a split. Raises RequestError for a configuration without weights, RunError when there is no run."""
    named, weights = arguments.config, arguments.weights
    if is_configuration(named):
        arguments.use("weights", arguments.settings)
        if not weights:
            why = "a configuration has no weights of its own"
            fix = f"name a run (trainwright {split} RUN), or add --weights RUN|FILE"
            raise RequestError("there is nothing to measure", where=named, why=why, fix=fix)
        from trainwright.api.config import compose_config
        from trainwright.api.own.measure import from_config, measure_split

        trained = from_config(compose_config(named, settings), split, weights)
    else:
        from trainwright.api.own.config import is_own_run
        from trainwright.api.own.measure import from_run, measure_split
        from trainwright.api.resume import with_config

        directory = with_config(named)
        refuse_fitted(directory)
        if not is_own_run(directory):
            from trainwright.api.splits import measured_split

            arguments.use("table", arguments.settings)
            return measured_split(directory, split)
        arguments.use("own run", arguments.settings)
        trained = from_run(directory, split, settings)
    step, epoch = trained.engine.position
    return {"weights": trained.source, "step": step, "epoch": epoch, "split": split, "metrics": {"": measure_split(trained, split)}}


def refuse_fitted(directory: RunDirectory) -> None:
    """Raises RunError for a run that tw.fit made: its model and data are objects of a Python program, which no file describes."""
    from trainwright.config.reading import read_yaml

    read = read_yaml(directory.config).plain() if directory.config.is_file() else None
    given = read.get("system") if isinstance(read, dict) else None
    if not isinstance(given, dict) or given.get("type") != "given":
        return
    why = f"its model ({given.get('model')}) and its data are objects of the program that called it"
    fix = f"measure it there: tw.load_weights(model, {str(directory.path)!r}) for the weights; tw.fit(…, test_data=…) measures as it trains"
    raise RunError("this run was made by tw.fit in Python", where=str(directory.path), why=why, fix=fix)


def is_configuration(word: str) -> bool:
    """Whether a word names a configuration file rather than a run."""
    return word.lower().endswith((".yaml", ".yml", ".json", ".ini", ".txt")) and not os.path.isdir(word)


def parser() -> ConfiguredParser:
    """The arguments of the command."""
    made = ConfiguredParser(
        "test",
        "Measure a run's model on its test rows, with the step and epoch its weights are from. Nothing in the run changes.",
        "RUN|CONFIG [--weights RUN|FILE] [--json] [key=value …]",
        ["trainwright test runs/mine", "trainwright test config.yaml --weights runs/mine", "trainwright test runs/mine --json"],
    )
    made.add_argument("config", metavar="RUN|CONFIG", help="a run directory, or a configuration with `system:`")
    add_measuring(made)
    return made


def add_measuring(made: ConfiguredParser) -> None:
    """The arguments of a measurement."""
    made.add_argument("settings", nargs="*", metavar="key=value", help="settings, as for `train`")
    made.add_argument(
        "--weights", default="", metavar="RUN|FILE", help="weights for a configuration: a run, a checkpoint or a safetensors file"
    )
    made.add_argument("--json", action="store_true", help="print JSON")
    add_trust_flag(made)
    add_launch_flags(made)
    instead = "name its configuration instead: trainwright test RUN/config.yaml --weights FILE"
    made.forms = {
        "table": Form("a table's run", ("json", "verbose", "typecheck"), instead="leave it out: a run is measured as it was trained"),
        "own run": Form(
            "a run of a system of one's own", ("json", *LAUNCH), MEASURING, "leave it out; for other weights " + instead, OF_ROWS
        ),
        "weights": Form("a configuration with weights", ("json", "weights", *LAUNCH), MEASURING, "leave it out: nothing is trained here"),
    }

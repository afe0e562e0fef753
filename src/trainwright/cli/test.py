"""`trainwright test`, and what it shares with `evaluate` and with `validate` of a run."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from trainwright.cli.forms import GIVEN, MEASURING, OF_ROWS, Form
from trainwright.cli.launch import LAUNCH, add_launch_flags, prepare
from trainwright.cli.parser import ConfiguredParser, add_trust_flag
from trainwright.domains.asked import SETTINGS


def run(words: Sequence[str]) -> int:
    """Measure a run, or a configuration with weights, on its test rows."""
    arguments = parser().parse(words)
    return measure(arguments, prepare(arguments), arguments.settings, None, "test")


def measure(arguments: Any, launch: Any, settings: Sequence[str], data: str | None, split: str) -> int:
    """Print the metrics of rows, or of a split: of a run, or of a configuration with weights."""
    launch.start_console()
    launch.check_gpus()
    from trainwright.api.predictors.kinds import find

    found = find(arguments.run, arguments.weights)
    arguments.use(found.form, settings)
    from trainwright.data.arrow import pandas_later

    pandas_later()
    from trainwright.api.evaluate import evaluate_with
    from trainwright.cli.metrics_table import describe_metrics

    measured = evaluate_with(found.open([*launch.settings, *settings]), data, split)
    print(json.dumps(measured, indent=2, ensure_ascii=False) if arguments.json else describe_metrics(measured))
    return 0


def parser() -> ConfiguredParser:
    """The arguments of the command."""
    made = ConfiguredParser(
        "test",
        "Measure a run's model on its test rows, with the step and epoch its weights are from. Nothing in the run changes.",
        "RUN|CONFIG [--weights RUN|FILE] [--json] [key=value …]",
        ["trainwright test runs/mine", "trainwright test config.yaml --weights runs/mine", "trainwright test runs/mine --json"],
    )
    made.add_argument("run", metavar="RUN|CONFIG", help="a run directory, or a configuration with `system:`")
    made.add_argument("settings", nargs="*", metavar="key=value", help="settings, as for `train`")
    add_measuring(made)
    return made


def add_measuring(made: ConfiguredParser, more: tuple[str, ...] = (), samples: tuple[str, ...] = ()) -> None:
    """The arguments of a measurement; `more` are flags that the command has beside them, `samples` those of systems that make samples."""
    made.add_argument(
        "--weights", default="", metavar="RUN|FILE", help="weights for a configuration: a run, a checkpoint or a safetensors file"
    )
    made.add_argument("--json", action="store_true", help="print JSON")
    add_trust_flag(made)
    add_launch_flags(made)
    instead = "name its configuration instead: trainwright test RUN/config.yaml --weights FILE"
    shared = (*more, *samples, "json", *LAUNCH)
    as_trained = "leave it out: a run is measured as it was trained"
    made.forms = {
        "table": Form("a table's run", (*more, "json", "verbose", "typecheck"), SETTINGS, as_trained),
        "own run": Form("a run of a system of one's own", shared, MEASURING, f"leave it out; for other weights {instead}", OF_ROWS),
        "fit run": Form("a run of tw.fit", ("json", *LAUNCH), GIVEN, as_trained),
        "weights": Form("a configuration with weights", ("weights", *shared), MEASURING, "leave it out: nothing is trained here"),
    }

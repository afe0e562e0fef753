"""`trainwright compare`."""

from __future__ import annotations

import json
from collections.abc import Sequence

from trainwright.cli.forms import Form
from trainwright.cli.parser import Arguments, Parser
from trainwright.config.errors import RequestError


def run(words: Sequence[str]) -> int:
    """Print what differs between two runs; 0 when their weights are identical, or all is within the tolerance given, else 1.

    Of a group of runs, how its points differ; 0.
    """
    arguments = parser().parse(words)
    from trainwright.api.compare import compare
    from trainwright.runs.group import is_group
    from trainwright.runs.log import console_logging

    console_logging()
    if arguments.run_b is None:
        if not is_group(arguments.run_a):
            fix = "name two runs, or the folder of a group: trainwright compare RUN_A RUN_B"
            raise RequestError("one run is compared with nothing", where=arguments.run_a, fix=fix)
        return show_group(arguments)
    arguments.use("RUN_A RUN_B")
    comparison = compare(arguments.run_a, arguments.run_b, weights_only=arguments.weights, tolerance=arguments.tolerance or None)
    print(json.dumps(comparison.to_dict(), indent=2, ensure_ascii=False) if arguments.json else comparison.render())
    return comparison.exit_code


def show_group(arguments: Arguments) -> int:
    """Show the points of a group of runs, and how they differ."""
    arguments.use("GROUP")
    from pathlib import Path

    from trainwright.api.group_summary import Summary
    from trainwright.cli.sweep import describe_group
    from trainwright.runs.group import GroupDirectory

    summary = Summary.of(GroupDirectory.open(Path(arguments.run_a)))
    print(json.dumps(summary.to_dict(), indent=2, ensure_ascii=False) if arguments.json else describe_group(summary).lstrip("\n"))
    return 0


def parser() -> Parser:
    """The arguments of the command."""
    made = Parser(
        "compare",
        "Say which of two runs is better, by how much, and whether that is more than chance; then what differs: configuration, metrics "
        "with intervals, data, code, and weights. Exits with 0 when the weights are identical, else with 1; with --tolerance with 0 when "
        "every metric of test and validation rows is within it. Of a group of runs, its points with mean and standard deviation, and their "
        "paired differences.",
        "RUN_A RUN_B [--weights] [--tolerance T] [--json] | GROUP [--json]",
        [
            "trainwright compare runs/first runs/second",
            "trainwright compare runs/first runs/second --tolerance 0.01",
            "trainwright compare runs/first runs/second --tolerance 2% --tolerance accuracy=0.005",
            "trainwright compare runs/first runs/second --weights --tolerance 1e-6",
            "trainwright compare runs/rates",
        ],
    )
    made.add_argument("run_a", metavar="RUN_A|GROUP", help="a run directory, a folder of runs (its latest), or a group of runs")
    made.add_argument("run_b", metavar="RUN_B", nargs="?", help="another run")
    made.add_argument("--weights", action="store_true", help="look at the weights alone")
    allowed = "how far apart still counts as the same: 0.01, 1% (of the first), accuracy=0.01; may be given several times"
    made.add_argument("--tolerance", action="append", default=[], metavar="T", help=allowed)
    made.add_argument("--json", action="store_true", help="print JSON")
    made.forms = {
        "RUN_A RUN_B": Form("two runs", ("weights", "tolerance", "json")),
        "GROUP": Form("a group of runs", ("json",), instead="leave it out, or name two of its runs"),
    }
    return made

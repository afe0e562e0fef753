"""`trainwright report`."""

from __future__ import annotations

from collections.abc import Sequence

from trainwright.cli.parser import Parser


def run(words: Sequence[str]) -> int:
    """Write a run's report and print where it is."""
    arguments = parser().parse(words)
    from trainwright.api.report import write_report
    from trainwright.runs.log import console_logging

    console_logging()
    path = write_report(arguments.run)
    print(path)
    if arguments.open:
        import webbrowser

        webbrowser.open(path.resolve().as_uri())
    return 0


def parser() -> Parser:
    """The arguments of the command."""
    made = Parser(
        "report",
        "Write report.html again from what a run directory holds, or that of a group of runs, and print its path. The page is one file "
        "and needs no network.",
        "RUN|GROUP [--open]",
        ["trainwright report runs/titanic-survived", "trainwright report runs/folds", "trainwright report runs/titanic-survived --open"],
    )
    made.add_argument("run", metavar="RUN|GROUP", help="a run directory, a folder of runs (its latest), or a group of runs")
    made.add_argument("--open", action="store_true", help="show it in the browser")
    return made

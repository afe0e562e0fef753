"""`trainwright export`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from trainwright.cli.forms import GIVEN, Form
from trainwright.cli.launch import add_launch_flags, prepare
from trainwright.cli.parser import Arguments, ConfiguredParser, add_trust_flag
from trainwright.cli.part_flags import add_flags, check_flags, flag
from trainwright.cli.words import divide_given
from trainwright.config.errors import RequestError
from trainwright.config.registry import parts

FLAGS = ("output", "to", "rows", "verbose")


def run(words: Sequence[str]) -> int:
    """Write the model of a run for others to run; how it answers beside the run's is printed."""
    arguments = parser().parse(words)
    launch = prepare(arguments)
    data, settings = divide_given(arguments.given)
    if data is not None:
        fix = f"--rows {data} proves the artifact on them; settings are key=value"
        raise RequestError(f"one argument too many: '{data}'", where=f"trainwright export {arguments.run}", fix=fix)
    launch.start_console()
    from trainwright.api.export import OLD, export_run, form_of
    from trainwright.api.predictors.kinds import find_run

    found = find_run(arguments.run)
    arguments.use(found.form, settings)
    output = Path(arguments.output) if arguments.output else None
    form = arguments.to or form_of(output)
    name = OLD.get(form, form)
    refuse_other_formats(arguments, name)
    options = check_flags(parts("exporter")[name].config, name, arguments) if name in parts("exporter") else None
    opened = partial(found.open, settings) if settings else None
    made = export_run(arguments.run, output, form, options, arguments.rows, opened=opened)
    if made.parity is not None:
        from trainwright.cli.exported import describe_parity

        print(describe_parity(made.parity))
    for each in made.files:
        print(each)
    return 0


def refuse_other_formats(arguments: Arguments, form: str) -> None:
    """Raises RequestError for a flag that is an option of other formats alone."""
    known = parts("exporter")
    owners = {name: [each for each, part in known.items() if name in part.config.model_fields] for name in _options()}
    for name, formats in owners.items():
        if getattr(arguments, name, None) is not None and form not in formats:
            why = f"it is an option of --to {' and --to '.join(formats)}"
            fix = f"add --to {formats[0]}, or leave it out"
            raise RequestError(f"{flag(name)} has no effect here", where="command line", why=why, fix=fix)


def _options() -> tuple[str, ...]:
    """The flags that are options of formats."""
    return tuple(dict.fromkeys(name for part in parts("exporter").values() for name in part.config.model_fields if name != "type"))


def parser() -> ConfiguredParser:
    """The arguments of the command."""
    made = ConfiguredParser(
        "export",
        "Write the model of a finished run for others to run: in a format, proven on rows of the run against what the run's model answers, "
        "with a report, a model card and what loads it; or, without --to, as it is, with its configuration, to a folder. A system with a "
        "method `export(folder)` writes there what it wants to: meshes, images, another format.",
        "RUN [--to FORMAT] [-o FILE|FOLDER] [--OPTION VALUE …] [--rows DATA] [key=value …]",
        [
            "trainwright export runs/mine",
            "trainwright export runs/mine --to onnx -o model.onnx",
            "trainwright export runs/mine -o exported",
            "trainwright export runs/fitted --to onnx model=./net.py:Net --rows rows.npz",
        ],
        more=lambda: "trainwright list exporter shows the formats with their options",
    )
    made.add_argument("run", metavar="RUN", help="a run directory, or a folder of runs (its latest)")
    made.add_argument("given", nargs="*", metavar="key=value", help="settings: what a run of tw.fit was made of, model=./net.py:Net")
    where = "a file with the ending of the format, or an empty or new folder; default: the run's name with the format, or -model"
    made.add_argument("-o", "--output", metavar="FILE|FOLDER", help=where)
    made.add_argument("--to", metavar="FORMAT", help="the format; default: that of the file's ending, else the model as it is")
    rows = "rows to prove the artifact on, a data file; default: 256 rows of the run, of its test split first"
    made.add_argument("--rows", metavar="DATA", help=rows)
    for part in parts("exporter").values():
        add_flags(made, part.config)
    add_trust_flag(made)
    add_launch_flags(made, ("verbose", "typecheck"))
    flags = (*FLAGS, *_options())
    made.forms = {
        "own run": Form("a run of a system of one's own", (*flags, "typecheck")),
        "fit run": Form("a run of tw.fit", flags, GIVEN),
        "table": Form("a table's run", flags),
    }
    return made

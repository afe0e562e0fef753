"""`trainwright prune`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from trainwright.cli.forms import ALL, Form
from trainwright.cli.launch import add_launch_flags, prepare
from trainwright.cli.parser import ConfiguredParser, add_trust_flag
from trainwright.cli.part_flags import add_flags
from trainwright.cli.words import divide_given
from trainwright.config.errors import RequestError
from trainwright.config.places import Place
from trainwright.config.reading import literal
from trainwright.engine.callbacks.options import PruningOptions
from trainwright.nn.pruning import PARTS

OF_CALLBACK = ("schedule", "initial", "start", "end", "every")
WHERE = "command line"
TEXTS = ("file",)
"""Options that are text as it stands."""


def run(words: Sequence[str]) -> int:
    """Make a pruned child of a run, and print what became zero."""
    arguments = parser().parse(words)
    launch = prepare(arguments)
    data, settings = divide_given(arguments.given)
    if data is not None:
        why = "a child is trained on the rows of its parent"
        raise RequestError(f"'{data}' is one argument too many", where="command line", why=why, fix="leave it out")
    launch.start_console()
    from trainwright.api.predictors.kinds import find_run

    arguments.use(find_run(arguments.run).form, settings)
    launch.check_gpus()
    from trainwright.data.arrow import pandas_later

    pandas_later()
    from trainwright.api.prune import prune, shrink
    from trainwright.cli.pruned import describe_pruned, describe_shrunk

    given = given_options(vars(arguments))
    if arguments.shrink:
        refuse_beside_shrink([*given, *(name for name in ("type", "names", "exclude") if getattr(arguments, name))])
        print(describe_shrunk(shrink(arguments.run, finetune=arguments.finetune, settings=[*launch.settings, *settings], where=WHERE)))
        return 0
    made = prune(
        arguments.run,
        arguments.type or "global_l1",
        finetune=arguments.finetune,
        names=arguments.names,
        exclude=arguments.exclude,
        settings=[*launch.settings, *settings],
        where=WHERE,
        **given,
    )
    print(describe_pruned(made))
    return 0


def refuse_beside_shrink(given: Sequence[str]) -> None:
    """Raise RequestError where something is to be pruned too: rows of zeros are taken out of a run that has them."""
    if given:
        why = "it takes out what is zero already"
        fix = "prune first, and shrink the child: trainwright prune CHILD --shrink"
        raise RequestError(f"--{given[0]} has no effect beside --shrink", where=WHERE, why=why, fix=fix)


def options() -> tuple[str, ...]:
    """The flags that are options of the methods and of the schedule."""
    methods = (name for part in PARTS.values() for name in part.config.model_fields if name != "type")
    return tuple(dict.fromkeys([*methods, *OF_CALLBACK]))


def given_options(given: dict[str, Any]) -> dict[str, Any]:
    """Those that were written, a number as a number: `1` is a count and `1.0` a share."""
    written = {name: given[name] for name in options() if given.get(name) is not None}
    return {
        name: each if name in TEXTS else literal(each, Place(f"command line: --{name} {each}")).plain() for name, each in written.items()
    }


def parser() -> ConfiguredParser:
    """The arguments of the command."""
    made = ConfiguredParser(
        "prune",
        "Make a child of a finished run in which weights are zero: the smallest, whole rows or channels, two of each four, or those that a "
        "file says. Without --finetune it is measured as it is; with it training goes on with the rest. The run itself stays as it is.",
        "RUN [--type METHOD] [--amount A] [--finetune LENGTH] [--names PATTERN …] [--shrink] [key=value …]",
        [
            "trainwright prune runs/titanic-survived --amount 0.5 --finetune '5 epochs'",
            "trainwright prune runs/mine --type ln_structured --n 2 --dim 0 --amount 0.25 --names 'layers.*'",
            "trainwright prune runs/mine --amount 0.95 --schedule cubic --finetune '20 epochs'",
            "trainwright prune runs/mine --type semi_structured --finetune '500 steps'",
            "trainwright prune runs/mine-pruned --shrink",
        ],
        more=lambda: "trainwright list pruning_method shows the methods with their options",
    )
    made.add_argument("run", metavar="RUN", help="a run directory, or a folder of runs (its latest)")
    made.add_argument("given", nargs="*", metavar="key=value", help="settings of the child")
    names = ", ".join(PARTS)
    made.add_argument("--type", default="", metavar="METHOD", help=f"{names}, or a class of your own (default: global_l1)")
    smaller = "prune nothing: take rows of zeros out of a pruned run, so that its layers are smaller and its answers the same"
    made.add_argument("--shrink", action="store_true", help=smaller)
    made.add_argument(
        "--finetune", default="", metavar="LENGTH", help="how long is trained on: '5 epochs', '500 steps' (default: not at all)"
    )
    patterns = "name patterns of weights, or of modules they are in; may be given several times"
    made.add_argument("--names", action="append", default=[], metavar="PATTERN", help=f"what is pruned: {patterns}")
    made.add_argument("--exclude", action="append", default=[], metavar="PATTERN", help=f"what is left as it is: {patterns}")
    for part in PARTS.values():
        add_flags(made, part.config)
    add_flags(made, PruningOptions, OF_CALLBACK)
    add_trust_flag(made)
    add_launch_flags(made, ("gpu", "verbose", "typecheck"))
    flags = ("type", "finetune", "shrink", "names", "exclude", *options(), "gpu", "verbose", "typecheck")
    made.forms = {
        "table": Form("a table's run", flags, ALL),
        "own run": Form("a run of a system of one's own", flags, ALL),
        "fit run": Form("a run of tw.fit", (), (), "prune in the program: tw.fit(model, data, callbacks=[{'type': 'pruning', …}])"),
    }
    return made

"""`trainwright synth`."""

from __future__ import annotations

import shlex
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from trainwright.cli.parser import Parser
from trainwright.cli.part_flags import add_flags, check_flags
from trainwright.config.domains import every, load_of_domain, owner
from trainwright.config.errors import FOREIGN, RequestError, TrainwrightError, did_you_mean
from trainwright.config.model import PartConfig
from trainwright.config.own_code import describe_failure
from trainwright.config.part import Part


def run(words: Sequence[str]) -> int:
    """Write a made data set as real files, or list those that there are."""
    arguments = parser(_find_named(words)).parse(words)
    if not arguments.name:
        for name in every("synth"):
            print(f"{name}  (domain {owner('synth', name)})")
        return 0
    if arguments.name not in every("synth"):
        raise RequestError(f"no made data are called '{arguments.name}'", fix=did_you_mean(arguments.name, every("synth")))
    folder = Path(arguments.output or arguments.name)
    more = write_made(arguments.name, folder, arguments.seed, _options(arguments))
    files = [each for each in sorted(folder.rglob("*")) if each.is_file()]
    print(f"{len(files):,} {'file' if len(files) == 1 else 'files'} in {folder}")
    shown = files[0] if len(files) == 1 else folder
    print(shlex.join(["trainwright", "train", str(shown), *(more or _ask_for_target(shown))]))
    return 0


def _find_named(words: Sequence[str]) -> str:
    """The made data that the command names, whose options are flags too; empty where it names none that there are."""
    known, _ = parser().parse_known_intermixed_args([each for each in words if each not in ("-h", "--help")])
    return known.name if known.name in every("synth") else ""


def _ask_for_target(path: Path) -> list[str]:
    """A target is named where no domain but that of tables reads what was written: the others' sources say it themselves."""
    from trainwright.data.claims import find_claim

    return [] if find_claim(str(path)) else ["--target", "COLUMN"]


def options_class(name: str) -> type[PartConfig] | None:
    """The class of the options of made data; None where it has none."""
    made = every("synth").get(name)
    return made.config if isinstance(made, Part) else None


def _options(arguments: Namespace) -> PartConfig | None:
    options = options_class(arguments.name)
    return None if options is None else check_flags(options, arguments.name, arguments)


def write_made(name: str, folder: Path, seed: int, options: PartConfig | None = None) -> list[str]:
    """The files of a made data set in a new or empty folder, and what `train` needs beside it; none are left where it fails.

    Raises RequestError or TrainwrightError.
    """
    from trainwright.files.whole import whole_folder

    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise RequestError(f"'{folder}' is there and not empty", where="command line: -o", fix="name a new folder; nothing is written over")
    with whole_folder(folder) as made:
        try:
            write = load_of_domain("synth", name, given.path if isinstance(given := every("synth")[name], Part) else given)
            more = write(made, seed) if options is None else write(made, seed, options)
        except TrainwrightError:
            raise
        except FOREIGN as error:
            why = describe_failure(error)
            raise TrainwrightError(f"'{name}' of the domain '{owner('synth', name)}' could not be made", why=why) from error
    return [str(each) for each in more] if isinstance(more, list) else []


def parser(name: str = "") -> Parser:
    """The arguments of the command, with the options of the made data that are named."""
    made = Parser(
        "synth",
        "Write made data, whose rule is known, as real files; without a name list what there is. The same seed makes the same files.",
        "[NAME] [-o FOLDER] [--seed N] [--OPTION VALUE …]",
        [
            "trainwright synth",
            "trainwright synth rings -o rings",
            "trainwright synth ecg -o ecg --patients 200",
            "trainwright synth ecg --help",
        ],
    )
    made.add_argument("name", metavar="NAME", nargs="?", help="what to make")
    made.add_argument("-o", "--output", metavar="FOLDER", help="a new or empty folder; default: the name")
    made.add_argument("--seed", metavar="N", type=int, default=0, help="which of many alike (default: 0)")
    options = options_class(name)
    if options is not None:
        add_flags(made, options)
    return made

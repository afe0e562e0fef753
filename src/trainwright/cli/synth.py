"""`trainwright synth`."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from trainwright.cli.parser import Parser
from trainwright.config.domains import every, load_of_domain, owner
from trainwright.config.errors import FOREIGN, RequestError, TrainwrightError, did_you_mean
from trainwright.config.own_code import describe_failure


def run(words: Sequence[str]) -> int:
    """Write a made data set as real files, or list those that there are."""
    arguments = parser().parse(words)
    if not arguments.name:
        for name in every("synth"):
            print(f"{name}  (domain {owner('synth', name)})")
        return 0
    if arguments.name not in every("synth"):
        raise RequestError(f"no made data are called '{arguments.name}'", fix=did_you_mean(arguments.name, every("synth")))
    folder = Path(arguments.output or arguments.name)
    write_made(arguments.name, folder, arguments.seed)
    files = [each for each in sorted(folder.rglob("*")) if each.is_file()]
    print(f"{len(files):,} {'file' if len(files) == 1 else 'files'} in {folder}")
    shown = files[0] if len(files) == 1 else folder
    print(f"trainwright train {shlex.quote(str(shown))} --target COLUMN")
    return 0


def write_made(name: str, folder: Path, seed: int) -> None:
    """The files of a made data set in a new or empty folder; none are left where it fails. Raises RequestError or TrainwrightError."""
    from trainwright.files.whole import whole_folder

    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise RequestError(f"'{folder}' is there and not empty", where="command line: -o", fix="name a new folder; nothing is written over")
    with whole_folder(folder) as made:
        try:
            load_of_domain("synth", name, every("synth")[name])(made, seed)
        except TrainwrightError:
            raise
        except FOREIGN as error:
            why = describe_failure(error)
            raise TrainwrightError(f"'{name}' of the domain '{owner('synth', name)}' could not be made", why=why) from error


def parser() -> Parser:
    """The arguments of the command."""
    made = Parser(
        "synth",
        "Write made data, whose rule is known, as real files; without a name list what there is. The same seed makes the same files.",
        "[NAME] [-o FOLDER] [--seed N]",
        ["trainwright synth", "trainwright synth rings -o rings", "trainwright synth rings -o others --seed 1"],
    )
    made.add_argument("name", metavar="NAME", nargs="?", help="what to make")
    made.add_argument("-o", "--output", metavar="FOLDER", help="a new or empty folder; default: the name")
    made.add_argument("--seed", metavar="N", type=int, default=0, help="which of many alike (default: 0)")
    return made

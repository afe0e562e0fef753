"""`trainwright pack`."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING

from trainwright.cli.parser import Parser
from trainwright.cli.style import dim, wrap
from trainwright.config.errors import RequestError

if TYPE_CHECKING:
    from trainwright.api.pack import Packing


def run(words: Sequence[str]) -> int:
    """Write a table and the files that it names to one file, and say what is in it."""
    arguments = parser().parse(words)
    if not arguments.output:
        raise RequestError("where is the pack to be written?", where="command line", fix="-o FILE.pack")
    from trainwright.api.pack import pack

    print(describe_packing(pack(arguments.data, arguments.output, overwrite=arguments.overwrite)))
    return 0


def describe_packing(made: Packing) -> str:
    """What was packed, what was not there, and how to train on it."""
    lines = [f"table: {', '.join(made.tables[:5])}{' …' if len(made.tables) > 5 else ''}"]
    lines += [f"column '{name}': {count:,} files" for name, count in made.columns.items()]
    if not made.columns:
        lines.append("no column names files: the table alone is packed")
    for name, paths in made.missing.items():
        lines.append(f"column '{name}': {len(paths):,} values name no file, and the pack has none for them: {', '.join(paths[:3])}")
    for name, path in made.other.items():
        reader = f"columns.{name}.type=./READER.py:CLASS (the page on features, Files of other kinds)"
        lines.append(
            f"column '{name}': {path} is not an .npy file, which is all that the type `file` reads: name a reader of your own, {reader}"
        )
    options = " ".join(f"columns.{name}.type={'./READER.py:CLASS' if name in made.other else 'file'}" for name in made.columns)
    again = f"trainwright train {shlex.quote(str(made.path))} --target COLUMN {options}".rstrip()
    return "\n".join([*(wrap(each, 0) for each in lines), f"written: {made.path} ({made.bytes:,} bytes)", dim(again)])


def parser() -> Parser:
    """The arguments of the command."""
    made = Parser(
        "pack",
        "Write a table, and the files that its columns of paths name, to one file, which `train` takes as DATA in its place with the same "
        "results. Files are stored as they are, each with a checksum, and read where they lie; any program that reads zip archives "
        "lists them and takes them out.",
        "DATA -o FILE.pack [--overwrite]",
        ["trainwright pack waves.csv -o waves.pack", "trainwright pack 'scans/*.csv' -o scans.pack --overwrite"],
    )
    made.add_argument("data", metavar="DATA", help="a table, or a pattern of tables; their paths are relative to the table they stand in")
    made.add_argument("-o", "--output", metavar="FILE", help="the file to write; its name ends with .pack")
    made.add_argument("--overwrite", action="store_true", help="replace FILE when it is there already")
    return made

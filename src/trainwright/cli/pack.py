"""`trainwright pack`."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING

from trainwright.cli.parser import Parser
from trainwright.cli.style import dim, wrap
from trainwright.config.errors import RequestError

if TYPE_CHECKING:
    from argparse import Namespace

    from trainwright.api.pack import Packing
    from trainwright.domains.signals.packing import PackedRecordings

OF_RECORDINGS = ("rate", "seconds", "column", "dtype", "unreadable")
"""Options by which recordings are decoded, in place of files taken as they are."""


def run(words: Sequence[str]) -> int:
    """Write a table and the files that it names to one file, and say what is in it."""
    arguments = parser().parse(words)
    if not arguments.output:
        raise RequestError("where is the pack to be written?", where="command line", fix="-o FILE.pack")
    if arguments.format == "wfdb" or any(getattr(arguments, name) is not None for name in OF_RECORDINGS):
        print(describe_recordings(_pack_recordings(arguments)))
        return 0
    from trainwright.api.pack import pack

    print(describe_packing(pack(arguments.data, arguments.output, overwrite=arguments.overwrite)))
    return 0


def _pack_recordings(arguments: Namespace) -> PackedRecordings:
    from trainwright.domains.signals.packing import Asked, pack_recordings, pack_wfdb

    for name in ("rate", "seconds"):
        value = getattr(arguments, name)
        if value is not None and not 0 < value < float("inf"):
            raise RequestError(f"--{name} is {value:g}", where="command line", fix=f"--{name} {'16000' if name == 'rate' else '20'}")
    skips = arguments.unreadable == "skip"
    asked = Asked(arguments.rate, arguments.seconds, arguments.column, arguments.dtype or "float32", skips)
    if arguments.format == "wfdb":
        if arguments.dtype == "float32":
            raise RequestError("WFDB records have whole numbers", where="--dtype float32", fix="leave it out")
        return pack_wfdb(arguments.data, arguments.output, asked)
    return pack_recordings(arguments.data, arguments.output, asked, overwrite=arguments.overwrite)


def describe_recordings(made: PackedRecordings) -> str:
    """What was written of recordings, what was changed and left out, and how to train on it."""
    changed = f", {made.resampled:,} resampled" if made.resampled else ""
    changed += f", {made.cut:,} cut" if made.cut else ""
    lines = [f"column '{made.column}': {made.count:,} recordings{changed}"]
    if made.skipped:
        shown = [f"{name}: {why}" for name, why in list(made.skipped.items())[:3]]
        lines.append(f"left out, as they cannot be read: {len(made.skipped):,} rows: {'; '.join(shown)}")
    data = made.path if made.path.is_file() else made.path / "recordings.parquet"
    type = "" if made.path.is_file() else f" columns.{made.column}.type={made.columns[made.column]['type']}"
    again = f"trainwright train {shlex.quote(str(data))}{'' if made.targets else ' --target COLUMN'}{type}"
    return "\n".join([*(wrap(each, 0) for each in lines), f"written: {made.path} ({made.bytes:,} bytes)", dim(again)])


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
        "lists them and takes them out. With --rate, --seconds, --column, --dtype or --unreadable recordings are decoded once: arrays "
        "at one rate take the place of sounds and records. --format wfdb writes a folder of WFDB records instead.",
        "DATA -o FILE.pack [--rate HZ] [--seconds S] [--column NAME] [--dtype TYPE] [--unreadable skip] [--format wfdb] [--overwrite]",
        [
            "trainwright pack waves.csv -o waves.pack",
            "trainwright pack 'scans/*.csv' -o scans.pack --overwrite",
            "trainwright pack clips -o clips.pack --rate 16000 --seconds 20",
        ],
    )
    made.add_argument("data", metavar="DATA", help="a table, or a pattern of tables; their paths are relative to the table they stand in")
    made.add_argument("-o", "--output", metavar="FILE", help="the file to write; its name ends with .pack")
    made.add_argument(
        "--rate", type=float, metavar="HZ", help="samples a second to which recordings are resampled; each keeps its own without"
    )
    made.add_argument("--seconds", type=float, metavar="S", help="seconds of each recording that are kept, from its beginning")
    made.add_argument("--column", metavar="NAME", help="the column that names recordings, where several may")
    made.add_argument("--dtype", choices=("float32", "int16"), help="numbers of decoded recordings; int16 takes half the room")
    made.add_argument("--unreadable", choices=("error", "skip"), help="skip: rows whose recording cannot be read are left out, and listed")
    made.add_argument("--format", choices=("pack", "wfdb"), default="pack", help="wfdb: a folder of WFDB records of 16 bits, and a table")
    made.add_argument("--overwrite", action="store_true", help="replace FILE when it is there already")
    return made

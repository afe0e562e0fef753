"""`trainwright pack`."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from trainwright.cli.parser import Parser
from trainwright.cli.style import count_things, dim, wrap
from trainwright.config.domains import owner
from trainwright.config.errors import RequestError

if TYPE_CHECKING:
    from argparse import Namespace

    from trainwright.api.pack import Packing
    from trainwright.domains.images.packing import PackedPictures
    from trainwright.domains.signals.packing import PackedRecordings

OF_RECORDINGS = ("rate", "seconds", "column", "dtype", "unreadable")
"""Options by which recordings are decoded, in place of files taken as they are."""
OF_PICTURES = ("size", "quality")
"""Options by which pictures are made smaller."""
SHOWN = 20
"""Recordings that are named of those that are left out."""


def run(words: Sequence[str]) -> int:
    """Write a table and the files that it names to one file, and say what is in it."""
    arguments = parser().parse(words)
    named = bool(arguments.output)
    if not named:
        arguments.output = _name_pack(arguments.data, arguments.format)
    said = _write(arguments)
    if not named:
        print(dim(f"no -o is given: the pack lies here, as {arguments.output}"))
    print(said)
    return 0


def _write(arguments: Namespace) -> str:
    """Write the pack; what is in it."""
    pictures = arguments.format in ("jpeg", "raw") or any(getattr(arguments, name) is not None for name in OF_PICTURES)
    if pictures or _owner(arguments.data) == "images":
        return describe_pictures(_pack_pictures(arguments))
    asked = arguments.format == "wfdb" or any(getattr(arguments, name) is not None for name in OF_RECORDINGS)
    if asked or _owner(arguments.data) == "signals":
        return describe_recordings(_pack_recordings(arguments))
    from trainwright.api.pack import pack

    return describe_packing(pack(arguments.data, arguments.output, overwrite=arguments.overwrite))


def _owner(data: str) -> str:
    """The domain whose source reads the data; that of a table is no other's, and could be taken as it is."""
    from trainwright.data.sources.opening import options_of

    return owner("source", options_of(data).type)


def _name_pack(data: str, format: str) -> str:
    """A pack where the command runs, called as the data are. Raises RequestError for data without a name, and for a folder of records."""
    place = Path(data).expanduser()
    path = place.resolve()
    name = path.name if path.is_dir() or not path.is_file() else path.stem
    if format == "wfdb":
        raise RequestError("where are the records to be written?", where="command line", fix="-o FOLDER")
    if not re.fullmatch(r"[\w.][\w. -]*", name):
        what, why = "where is the pack to be written?", f"'{data}' gives no name for it"
        raise RequestError(what, where="command line", why=why, fix="-o FILE.pack")
    return f"{name}.pack"


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


def _pack_pictures(arguments: Namespace) -> PackedPictures:
    from trainwright.domains.images.packing import AskedPictures, pack_pictures

    wrong = [name for name in OF_RECORDINGS if name != "unreadable" and getattr(arguments, name) is not None]
    if wrong or arguments.format == "wfdb":
        flag = f"--{wrong[0]}" if wrong else "--format wfdb"
        raise RequestError(f"{flag} is of recordings", where="command line", why="these are pictures", fix="leave it out")
    for name, low, high in (("size", 1, 65535), ("quality", 1, 100)):
        value = getattr(arguments, name)
        if value is not None and not low <= value <= high:
            raise RequestError(f"--{name} is {value}", where="command line", fix=f"a whole number from {low} to {high}")
    if arguments.format == "raw" and arguments.size is None:
        raise RequestError("--format raw needs a size", where="command line", why="files are taken as they are without", fix="--size 256")
    asked = AskedPictures(
        arguments.size,
        "raw" if arguments.format == "raw" else "jpeg",
        arguments.quality or AskedPictures.quality,
        arguments.unreadable == "skip",
    )
    return pack_pictures(arguments.data, arguments.output, asked, overwrite=arguments.overwrite)


def describe_pictures(made: PackedPictures) -> str:
    """What was written of pictures, what was made smaller or left as it is, and how to train on it."""
    lines = [f"column '{name}': {count_things(count, 'picture')}" for name, count in made.columns.items()]
    if made.smaller:
        lines.append(f"{count_things(made.smaller, 'picture')} made smaller")
    lines += [f"{count_things(count, 'picture')} {kind} taken as they are" for kind, count in made.left.items()]
    lines += _describe_skipped(made.skipped, "picture")
    again = f"trainwright train {shlex.quote(str(made.path))}{'' if made.targets else ' --target COLUMN'}"
    return "\n".join([*(wrap(each, 0) for each in lines), f"written: {made.path} ({made.bytes:,} bytes)", dim(again)])


def describe_recordings(made: PackedRecordings) -> str:
    """What was written of recordings, what was changed and left out, and how to train on it."""
    changed = f", {made.resampled:,} resampled" if made.resampled else ""
    changed += f", {made.cut:,} cut" if made.cut else ""
    lines = [wrap(f"column '{made.column}': {count_things(made.count, 'recording')}{changed}", 0), *_describe_skipped(made.skipped)]
    data = made.path if made.path.is_file() else made.path / "recordings.parquet"
    type = "" if made.path.is_file() else f" columns.{made.column}.type={made.columns[made.column]['type']}"
    again = f"trainwright train {shlex.quote(str(data))}{'' if made.targets else ' --target COLUMN'}{type}"
    return "\n".join([*lines, f"written: {made.path} ({made.bytes:,} bytes)", dim(again)])


def _describe_skipped(skipped: Mapping[str, str], what: str = "recording") -> list[str]:
    """How many were left out, and the first of them with the reason, each on a line of its own."""
    if not skipped:
        return []
    lines = [f"{count_things(len(skipped), what)} left out that cannot be read:"]
    lines += [wrap(f"{name}: {why}", 2) for name, why in list(skipped.items())[:SHOWN]]
    return lines + ([f"  … and {len(skipped) - SHOWN:,} more"] if len(skipped) > SHOWN else [])


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
        "lists them and takes them out. Of a folder of recordings, and with --rate, --seconds, --column, --dtype or --unreadable, "
        "recordings are decoded once: arrays, at one rate if it is given, take the place of sounds and records. --format wfdb writes "
        "a folder of WFDB records instead. Pictures of a folder or table whose short side is more than --size are made that small.",
        "DATA [-o FILE.pack] [--size N] [--quality Q] [--rate HZ] [--seconds S] [--column NAME] [--dtype TYPE] [--unreadable skip] "
        "[--format jpeg|raw|wfdb] [--overwrite]",
        [
            "trainwright pack waves.csv -o waves.pack",
            "trainwright pack 'scans/*.csv' -o scans.pack --overwrite",
            "trainwright pack clips --rate 16000 --seconds 20",
            "trainwright pack photos --size 256",
        ],
    )
    made.add_argument(
        "data",
        metavar="DATA",
        help="a table, a pattern of tables, or a folder of recordings or pictures; paths are relative to the table they stand in",
    )
    made.add_argument("-o", "--output", metavar="FILE", help="the file to write; its name ends with .pack (default: that of DATA, here)")
    made.add_argument(
        "--rate", type=float, metavar="HZ", help="samples a second to which recordings are resampled; each keeps its own without"
    )
    made.add_argument("--seconds", type=float, metavar="S", help="seconds of each recording that are kept, from its beginning")
    made.add_argument("--column", metavar="NAME", help="the column that names recordings, where several may")
    made.add_argument(
        "--dtype",
        metavar="TYPE",
        choices=("float32", "int16"),
        help="numbers of decoded recordings: float32 (default) or int16, which takes half the room",
    )
    made.add_argument("--size", type=int, metavar="N", help="pixels of the short side of pictures, where it is more; each as it is without")
    made.add_argument("--quality", type=int, metavar="Q", help="of JPEG files that are written, 1 to 100 (default: 95)")
    made.add_argument(
        "--unreadable",
        metavar="POLICY",
        choices=("error", "skip"),
        help="error (default), or skip: rows whose recording or picture cannot be read are left out, and listed",
    )
    made.add_argument(
        "--format",
        metavar="KIND",
        choices=("pack", "wfdb", "jpeg", "raw"),
        default="pack",
        help="pack (default); of recordings wfdb: a folder of WFDB records of 16 bits, and a table; of pictures that are made smaller jpeg "
        "(default), or raw: pixels as they are",
    )
    made.add_argument("--overwrite", action="store_true", help="replace FILE when it is there already")
    return made

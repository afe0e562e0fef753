"""Files as a person names them: found, or refused with the nearest name; recognised by content; fingerprinted."""

from __future__ import annotations

import glob
import hashlib
import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from trainwright.config.errors import DataError, nearest
from trainwright.data.folder_names import is_marker, partitioned_files

MAGIC: dict[bytes, str] = {
    b"\x89PNG\r\n\x1a\n": "a PNG image",
    b"\xff\xd8\xff": "a JPEG image",
    b"GIF8": "a GIF image",
    b"%PDF": "a PDF document",
    b"PK\x03\x04": "a zip archive (or an Office document)",
    b"PK\x05\x06": "an empty zip archive",
    b"\x1f\x8b": "gzip",
    b"BZh": "a bzip2 archive",
    b"\xfd7zXZ\x00": "an xz archive",
    b"7z\xbc\xaf\x27\x1c": "a 7z archive",
    b"\x28\xb5\x2f\xfd": "a zstd archive",
    b"PAR1": "a Parquet file",
    b"ARROW1": "an Arrow file",
    b"FEA1": "a Feather file",
    b"\x93NUMPY": "a NumPy array",
    b"\x89HDF\r\n\x1a\n": "an HDF5 file",
    b"SQLite format 3\x00": "an SQLite database",
    b"\xd0\xcf\x11\xe0": "an old Office document (.xls, .doc)",
    b"\x7fELF": "a program",
    b"RIFF": "a sound or image (RIFF)",
    b"OggS": "a sound (Ogg)",
}
"""First bytes of a file → what it is."""

GLOB = frozenset("*?[")


def found_files(text: str, *, where: str = "data.source") -> list[Path]:
    """The files that a path, a glob or a folder of `name=value` folders names, sorted.

    Raises DataError when there are none, or one cannot be read.
    """
    path = Path(os.path.expanduser(text))
    files = [path]
    if text.endswith(os.sep) and os.path.isfile(path):
        raise DataError(f"'{path}' is a file", where=where, why=f"'{text}' means a folder", fix=f"leave the '{os.sep}' out: {path}")
    if is_glob(text):
        found = [Path(each) for each in sorted(glob.glob(os.path.expanduser(text), recursive=True)) if not os.path.isdir(each)]
        files = [each for each in found if not is_marker(each.name)]
        if not files:
            raise DataError(f"no file matches '{text}'", where=where, fix="check the pattern; it is taken from " + str(Path.cwd()))
    elif os.path.isdir(path):
        files = partitioned_files(path, where) or files
    for file in files:
        check_readable(file, where)
    return files


def is_glob(text: str) -> bool:
    """Whether `text` is a pattern rather than the name of a file that exists."""
    return bool(GLOB & set(text)) and not os.path.exists(os.path.expanduser(text))


def check_readable(path: Path, where: str = "data.source") -> None:
    """Raises DataError when `path` is missing (nearest name offered), a directory, no regular file, empty or not to be read."""
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        raise DataError(f"no file '{path}'", where=where, fix=_beside(path)) from None
    except (OSError, ValueError) as error:  # a name too long, or with a NUL; a folder that may not be looked into
        why = getattr(error, "strerror", None) or str(error)
        raise DataError(f"'{str(path)[:200]}' cannot be read", where=where, why=why, fix="check the name and its permissions") from error
    if stat.S_ISDIR(mode):
        raise DataError(f"'{path}' is a directory", where=where, why="a table is a file", fix=_inside(path))
    if not stat.S_ISREG(mode):
        why = "a pipe or device can be read once only, or never ends"
        raise DataError(f"'{path}' is no regular file", where=where, why=why, fix="write what it gives to a file, and name that")
    try:
        with path.open("rb") as opened:
            first = opened.read(1)
    except OSError as error:
        raise DataError(f"'{path}' cannot be read", where=where, why=error.strerror or str(error), fix="check its permissions") from error
    if not first:
        raise DataError(f"'{path}' is empty", where=where, why="it has 0 bytes", fix="give a file with column names and rows")


def _inside(folder: Path) -> str:
    known = sorted(each.suffix for each in folder.iterdir() if each.is_file() and each.suffix) if os.access(folder, os.R_OK) else []
    common = max(set(known), key=known.count) if known else ".csv"
    return f"name a file in it, or all of one kind: '{folder}/*{common}'"


def _beside(path: Path) -> str:
    folder = path.parent
    while not folder.is_dir() and folder != folder.parent:
        folder = folder.parent
    if folder != path.parent:
        return f"the folder '{path.parent}' does not exist either; '{folder}' does"
    names = sorted(each.name for each in folder.iterdir() if not each.name.startswith(".")) if os.access(folder, os.R_OK) else []
    stems = {name.split(".")[0]: name for name in names}  # endings are alike whatever the names, so they do not count
    full = stems.get(nearest(path.name.split(".")[0], stems), "")
    if full:
        return f"did you mean '{folder / full if str(folder) != '.' else full}'?"
    return f"there are: {', '.join(names[:12])}{', …' if len(names) > 12 else ''}" if names else f"the folder '{folder.resolve()}' is empty"


def content_kind(head: bytes) -> str:
    """What the first bytes of a file say it is, or an empty string when it may be text."""
    for magic, kind in MAGIC.items():
        if head.startswith(magic):
            return kind
    if len(head) > 1 and head[0] == 0x80 and head[1] in (2, 3, 4, 5):
        return "a Python pickle"
    return ""


def fingerprint_of(files: Sequence[Path]) -> dict[str, Any]:
    """`paths`, `bytes` and `sha256` of the files' contents one after the other."""
    digest, size = hashlib.sha256(), 0
    for file in files:
        with file.open("rb") as opened:
            while block := opened.read(1 << 22):
                digest.update(block)
                size += len(block)
    return {"paths": [str(file) for file in files], "bytes": size, "sha256": digest.hexdigest()}


def shared_name(files: Sequence[Path], text: str) -> str:
    """What messages call these files: the file's own name, or the pattern."""
    return files[0].name if len(files) == 1 else text

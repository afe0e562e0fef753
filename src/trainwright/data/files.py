"""Files as a person names them: found, or refused with the nearest name; recognised by content; fingerprinted."""

from __future__ import annotations

import glob
import hashlib
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from trainwright.config.errors import DataError
from trainwright.data.fetched import fetched_file, is_fetched
from trainwright.data.folder_names import is_marker, partitioned_files
from trainwright.data.readable import check_readable

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
BRACES = re.compile(r"\{(?:(?P<first>\d+)\.\.(?P<last>\d+)|(?P<list>[^{}]*,[^{}]*))\}")
MOST_NAMES = 1_000_000


def found_files(text: str, *, where: str = "data.source") -> list[Path]:
    """The files that a path, a glob, a folder of `name=value` folders, an address or an archive (see `fetched_file`) names, sorted.

    Raises DataError when there are none, or one cannot be read.
    """
    if is_fetched(text) and not os.path.isdir(os.path.expanduser(text)):
        return [fetched_file(text)]
    path = Path(os.path.expanduser(text))
    files = [path]
    if text.endswith(os.sep) and os.path.isfile(path):
        raise DataError(f"'{path}' is a file", where=where, why=f"'{text}' means a folder", fix=f"leave the '{os.sep}' out: {path}")
    if is_glob(text):
        found = [Path(each) for each in sorted(glob.glob(os.path.expanduser(text), recursive=True)) if not os.path.isdir(each)]
        files = [each for each in found if not is_marker(each.name)]
        if not files:
            raise DataError(f"no file matches '{text}'", where=where, fix="write another pattern; it is taken from " + str(Path.cwd()))
    elif os.path.isdir(path):
        files = partitioned_files(path, where) or files
    for file in files:
        check_readable(file, where)
    return files


def is_glob(text: str) -> bool:
    """Whether `text` is a pattern rather than the name of a file that exists."""
    return bool(GLOB & set(text)) and not os.path.exists(os.path.expanduser(text))


def expand_braces(text: str) -> list[str]:
    """The names that braces stand for, as a shell has them: `{000..146}` counts, `{a,b}` lists; the text itself where it has none."""
    found = BRACES.search(text)
    if found is None or os.path.exists(os.path.expanduser(text)):
        return [text]
    if found["first"] is not None:
        first, last = int(found["first"]), int(found["last"])
        if abs(last - first) >= MOST_NAMES:
            raise DataError(
                f"'{found[0]}' names {abs(last - first) + 1:,} files",
                where="data.source",
                fix="write two dots between the first and the last",
            )
        step, width = (1 if last >= first else -1), max(map(len, (found["first"], found["last"]))) if found["first"].startswith("0") else 0
        inside = [f"{number:0{width}d}" for number in range(first, last + step, step)]
    else:
        inside = found["list"].split(",")
    return [f"{text[: found.start()]}{each}{rest}" for each in inside for rest in expand_braces(text[found.end() :])]


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

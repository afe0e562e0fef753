"""What names a picture: a path, perhaps with which part of the file it is; and the bytes, or the pixels, that are there."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from typing import Any

import numpy as np

from trainwright.features.npy import Unreadable
from trainwright.files.packed import Broken, open_pack, split_member

FRAGMENT = re.compile(
    r"(?:(?:bytes=(?P<offset>\d+)\+(?P<length>\d+)|row=(?P<row>\d+)(?:&column=(?P<column>[^&#]+))?)(?:&frame=(?P<frame>\d+))?|frame=(?P<alone>\d+))"
)
ADDRESS = re.compile(r"^(?:https?|ftp|s3|gs|az|hf)://", re.IGNORECASE)

RowReader = Callable[[str, int, str], bytes | np.ndarray]
"""Path, row, column → the content of a picture file, or pixels (height, width[, channels]). Raises Unreadable."""

_ROWS = "trainwright.domains.images.reading.rows"
ROW_READERS: dict[str, str] = {
    ".npy": f"{_ROWS}:read_array_row",
    ".npz": f"{_ROWS}:read_array_row",
    "-ubyte": f"{_ROWS}:read_idx_row",
    "-ubyte.gz": f"{_ROWS}:read_idx_row",
    ".bin": f"{_ROWS}:read_cifar_row",
    "digits.csv.gz": f"{_ROWS}:read_digits_row",
    **dict.fromkeys((".parquet", ".pq", ".arrow", ".feather"), "trainwright.domains.images.reading.tables:read_table_row"),
}
"""How the name of a file ends whose rows are pictures (`.npy`) → `module:function` of a RowReader."""


@dataclass(frozen=True)
class Reference:
    """A picture: a file, a piece of one (`#bytes=512+20480`), a row of one (`#row=7&column=image`), one of its frames (`#frame=2`)."""

    path: str
    offset: int | None = None
    length: int = 0
    row: int | None = None
    column: str = ""
    frame: int | None = None

    @property
    def whole(self) -> bool:
        """Whether the whole file is the picture."""
        return self.offset is None and self.row is None

    def __str__(self) -> str:
        piece = f"#bytes={self.offset}+{self.length}" if self.offset is not None else ""
        piece += f"#row={self.row}" + (f"&column={self.column}" if self.column else "") if self.row is not None else ""
        return self.path + piece + (f"{'&' if piece else '#'}frame={self.frame}" if self.frame is not None else "")


def split_reference(text: str) -> Reference:
    """The parts of a reference; a `#` that begins none of them belongs to the path."""
    path, _, fragment = text.rpartition("#")
    found = FRAGMENT.fullmatch(fragment) if path else None
    if found is None:
        return Reference(text)
    given = {name: value for name, value in found.groupdict().items() if value is not None}
    number = {name: int(value) for name, value in given.items() if name != "column"}
    frame = number.get("frame", number.get("alone"))
    return Reference(path, number.get("offset"), number.get("length", 0), number.get("row"), given.get("column", ""), frame)


def read_bytes(reference: Reference | str) -> bytes | np.ndarray:
    """The content of a picture's file or piece of a file, or the pixels of a row (height, width[, channels]). Raises Unreadable."""
    place = split_reference(reference) if isinstance(reference, str) else reference
    if place.row is not None:
        return _row_reader(place.path)(place.path, place.row, place.column)
    if (member := split_member(place.path)) is not None:
        return _read_member(*member, place)
    try:
        return _read_file(place)
    except OSError as error:
        raise Unreadable(say_missing(place.path, error)) from error


def _read_member(pack: str, name: str, place: Reference) -> bytes:
    try:
        held = open_pack(pack).read(name)
    except Broken as error:
        raise Unreadable(str(error)) from error
    return _piece(bytes(held) if place.offset is None else bytes(held[place.offset : place.offset + place.length]), place)


def _read_file(place: Reference) -> bytes:
    with open(place.path, "rb", buffering=0) as file:
        if place.offset is None:
            return file.read()
        file.seek(place.offset)
        return _piece(file.read(place.length), place)


def _piece(content: bytes, place: Reference) -> bytes:
    if place.offset is not None and len(content) < place.length:
        raise Unreadable(f"its file is cut off: {len(content):,} of {place.length:,} bytes are there")
    return content


def _row_reader(path: str) -> RowReader:
    ending = next((each for each in sorted(ROW_READERS, key=len, reverse=True) if path.lower().endswith(each)), None)
    if ending is None:
        raise Unreadable(f"rows of such a file are not read as pictures ({', '.join(ROW_READERS)} are)")
    return _loaded(ROW_READERS[ending])


@lru_cache(maxsize=32)
def _loaded(place: str) -> Any:
    module, _, name = place.partition(":")
    return getattr(import_module(module), name)


AWAY = "it is not there"
"""What is said first of a file that is none."""


def say_missing(path: str, error: OSError, below: Sequence[str] = (), near: bool = True) -> str:
    """Why a file cannot be opened, in words, with what may have been meant where `near` asks to look for it.

    `below`: folders where the ends of its path may be.
    """
    if ADDRESS.match(path) or "://" in path:
        return "it is a URL; pictures are read from files: fetch them first, and name the files"
    if isinstance(error, FileNotFoundError):
        if not near:
            return AWAY
        if os.path.islink(path):
            return f"it is a link to '{os.readlink(path)}', which is not there"
        from trainwright.domains.images.reading.nearest import nearest_path

        meant = nearest_path(path, below)
        return AWAY + (f"; the nearest path that is: {meant}" if meant else "")
    words = {PermissionError: "it may not be read", IsADirectoryError: "it is a folder"}
    return words.get(type(error), error.strerror or type(error).__name__)


def is_there(path: str) -> bool:
    """Whether the file of a path is there, without opening it."""
    member = split_member(path)
    if member is None:
        return os.path.isfile(path)
    try:
        return member[1] in open_pack(member[0])
    except Broken:
        return False

"""Arrays in `.npy` files: what the header says, and the numbers; nothing is unpickled."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable
from functools import lru_cache
from io import BytesIO
from typing import IO, Any, Literal, NamedTuple

import numpy as np

from trainwright.files.packed import Broken, open_pack, split_member

MAPPED = 1 << 20
"""Bytes from which a file is mapped, so that a piece that is cut from it is all that is read."""
MAGIC = b"\x93NUMPY"
WHOLE = 1 << 14
"""Bytes that are read of a file at first: all there are of most small ones, whose size then needs no call of its own."""
FIRST = 1 << 8
"""Bytes that are read of a header at first; nearly all are shorter."""
LONGEST_HEADER = 1 << 16
"""Bytes of a header above which it is taken for damaged."""
READING = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
KINDS = "biuf"
"""Kinds of numbers that can be read: truth, whole, whole without a sign, floating."""

NOT_NPY = "it is not an .npy file"


class Unreadable(Exception):
    """Why a file gives no array, in words."""


class Header(NamedTuple):
    """What stands before the numbers: their shape and type, whether columns come first, where they begin, and how many there are."""

    shape: tuple[int, ...]
    dtype: np.dtype[np.generic]
    fortran: bool
    start: int
    numbers: int

    @property
    def needed(self) -> int:
        """Bytes of the whole file."""
        return self.start + self.numbers * self.dtype.itemsize


def is_array(path: str | os.PathLike[str]) -> bool:
    """Whether a file begins as an `.npy` file does. Raises OSError."""
    with open(path, "rb") as file:
        return file.read(len(MAGIC)) == MAGIC


def read_header(path: str) -> Header:
    """The header of a file whose length fits it; raises Unreadable."""
    if (member := split_member(path)) is not None:
        header, _, _ = _in_pack(*member)
        return header
    try:
        with open(path, "rb", buffering=0) as file:
            return _read_head(file)
    except OSError as error:
        raise Unreadable(_words(error)) from error


def _read_head(file: IO[bytes]) -> Header:
    """The header of an open file, whose length fits it."""
    head = file.read(FIRST)
    head += file.read(max(_end_of(head) - FIRST, 0))
    header = _parsed(head[: _end_of(head)])
    _check_length(header, os.fstat(file.fileno()).st_size)
    return header


def read_array(path: str) -> np.ndarray:
    """The array of a file, which may be written to; a large one is mapped. Raises Unreadable."""
    if (member := split_member(path)) is not None:
        return _array_in_pack(*member)
    content, size = _content(path)
    header = _parsed(content[: _end_of(content)])
    _check_length(header, size if size >= MAPPED else len(content))
    order: Literal["C", "F"] = "F" if header.fortran else "C"
    if size >= MAPPED:
        array: np.ndarray = np.memmap(path, header.dtype, "c", header.start, header.shape, order)
    else:
        array = np.frombuffer(bytearray(content), header.dtype, header.numbers, header.start).reshape(header.shape, order=order)
    return array if header.dtype.isnative else array.astype(header.dtype.newbyteorder("="))


def read_piece(path: str, first: int, count: int) -> tuple[np.ndarray, tuple[int, ...]]:
    """Entries `first` to `first + count` of the first dimension, as far as there are any, and the shape of the whole; raises Unreadable.

    Nothing else is read of an array whose rows come first.
    """
    if split_member(path) is not None:  # mapped: nothing else is read of it either
        whole = read_array(path)
        if not whole.shape:
            raise Unreadable("it holds one number, which has no pieces")
        return whole[first : first + count].copy(), whole.shape
    try:
        with open(path, "rb", buffering=0) as file:
            header = _read_head(file)
            if not header.shape:
                raise Unreadable("it holds one number, which has no pieces")
            there = max(min(count, header.shape[0] - first), 0)
            if header.fortran:
                return read_array(path)[first : first + there], header.shape
            entry = math.prod(header.shape[1:]) * header.dtype.itemsize
            file.seek(header.start + first * entry)
            content = bytearray(file.read(there * entry))
    except OSError as error:
        raise Unreadable(_words(error)) from error
    array = np.frombuffer(content, header.dtype).reshape(there, *header.shape[1:])
    return array if header.dtype.isnative else array.astype(header.dtype.newbyteorder("=")), header.shape


def _in_pack(pack: str, name: str) -> tuple[Header, memoryview, int]:
    """The header of a file in a pack, its content, and where that begins in the pack."""
    try:
        opened = open_pack(pack)
        held, (start, _) = opened.read(name), opened.place(name)
    except Broken as error:
        raise Unreadable(str(error)) from error
    head = bytes(held[:LONGEST_HEADER])
    header = _parsed(head[: _end_of(head)])
    _check_length(header, len(held))
    return header, held, start


def _array_in_pack(pack: str, name: str) -> np.ndarray:
    header, held, start = _in_pack(pack, name)
    order: Literal["C", "F"] = "F" if header.fortran else "C"
    if len(held) >= MAPPED:
        array: np.ndarray = np.memmap(pack, header.dtype, "c", start + header.start, header.shape, order)
    else:
        array = np.frombuffer(bytearray(held), header.dtype, header.numbers, header.start).reshape(header.shape, order=order)
    return array if header.dtype.isnative else array.astype(header.dtype.newbyteorder("="))


def _content(path: str) -> tuple[bytes, int]:
    """What a file holds, of a large one the beginning, and how many bytes there are; with as few calls as can be."""
    try:
        file = os.open(path, READING)
        try:
            content = os.read(file, WHOLE)
            if len(content) < WHOLE:
                return content, len(content)
            size = os.fstat(file).st_size
            return content + os.read(file, (LONGEST_HEADER if size >= MAPPED else size) - WHOLE), size
        finally:
            os.close(file)
    except OSError as error:
        raise Unreadable(_words(error)) from error


def _end_of(head: bytes | bytearray) -> int:
    """Where the header ends that begins with `head`."""
    if not head:
        raise Unreadable("it is empty")
    if head[:6] != MAGIC:
        raise Unreadable(NOT_NPY)
    if len(head) < 12:
        raise Unreadable("it is cut off in its header")
    wide = 2 if head[6] == 1 else 4
    end = 8 + wide + int.from_bytes(head[8 : 8 + wide], "little")
    if end > LONGEST_HEADER:
        raise Unreadable("its header is damaged")
    return end


@lru_cache(maxsize=1024)
def _parsed(head: bytes) -> Header:
    """The header in words of numpy; the files of a column mostly have the same one."""
    if len(head) < _end_of(head):
        raise Unreadable("it is cut off in its header")
    file, form = BytesIO(head), np.lib.format
    try:
        version = form.read_magic(file)
        if version not in ((1, 0), (2, 0)):
            raise Unreadable("it holds fields with names, not numbers")
        shape, fortran, dtype = (form.read_array_header_1_0 if version == (1, 0) else form.read_array_header_2_0)(file)
    except (ValueError, SyntaxError, TypeError) as error:
        raise Unreadable("its header is damaged") from error
    if dtype.kind not in KINDS:
        what = "objects, which are not unpickled" if dtype.hasobject else f"{dtype}, not numbers"
        raise Unreadable(f"it holds {what}")
    return Header(tuple(shape), dtype, fortran, len(head), math.prod(shape))


def _check_length(header: Header, size: int) -> None:
    if size < header.needed:
        raise Unreadable(f"it is cut off: {size:,} of {header.needed:,} bytes are there")


def _words(error: OSError) -> str:
    known = {FileNotFoundError: "it is not there", PermissionError: "it may not be read", IsADirectoryError: "it is a folder"}
    return known.get(type(error), error.strerror or str(error))


def how_to_mend(column: str, faults: Iterable[str], them: str) -> str:
    """What to do about files that cannot be read, `them` being one or several; where they are no arrays, that others need a reader."""
    options = f"columns.{column}.unreadable=skip (such rows are left out) or repair (they count as missing)"
    if NOT_NPY not in faults:
        return f"write {them} again, or {options}"
    reader = (
        f"a picture, say, needs a reader of your own: columns.{column}.type=./reader.py:Picture, as Features, Files of other kinds, shows"
    )
    return f"the type `file` reads arrays that numpy.save wrote; {reader}; otherwise {options}"


def shape_fault(shape: tuple[int, ...], wanted: list[Any]) -> str:
    """How a shape differs from what is wanted; empty where it fits."""
    if list(shape) == wanted:
        return ""
    if len(shape) == len(wanted) and all(each is None or each == there for there, each in zip(shape, wanted, strict=True)):
        return ""
    shown = ", ".join("any" if each is None else str(each) for each in wanted)
    return f"its shape is {shape}, the others have ({shown})"

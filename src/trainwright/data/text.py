"""Text files as bytes: what they are compressed with, their first part, and lines with a delimiter Arrow cannot read."""

from __future__ import annotations

import bz2
import gzip
import io
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pyarrow as pa

UNIT_SEPARATOR = "\x1f"
COMPRESSIONS = {b"\x1f\x8b": "gzip", b"BZh": "bz2", b"\x28\xb5\x2f\xfd": "zstd", b"\x04\x22\x4d\x18": "lz4"}


def compression_of(path: Path) -> str:
    """How a file is compressed, by its first bytes: gzip, bz2, zstd, lz4, or an empty string."""
    with path.open("rb") as opened:
        head = opened.read(4)
    return next((name for magic, name in COMPRESSIONS.items() if head.startswith(magic)), "")


def opened_bytes(path: Path) -> IO[bytes]:
    """The file, decompressed while it is read."""
    compression = compression_of(path)
    if compression == "gzip":
        return gzip.open(path)  # type: ignore[return-value]
    if compression == "bz2":
        return bz2.open(path)
    if compression:
        return pa.input_stream(str(path), compression=compression)
    return path.open("rb")


def lines_rewritten(path: Path, encoding: str, delimiter: str) -> IO[bytes]:
    """The text as UTF-8 with `delimiter` (several characters, or `whitespace` for runs of blanks) made one character."""
    return io.BufferedReader(_Rewritten(_rewritten(path, encoding, delimiter)), buffer_size=1 << 20)


def _rewritten(path: Path, encoding: str, delimiter: str) -> Iterator[bytes]:
    with opened_bytes(path) as opened, io.TextIOWrapper(opened, encoding=encoding, newline="") as text:
        for line in text:
            values = line.split() if delimiter == "whitespace" else line.rstrip("\r\n").split(delimiter)
            yield (UNIT_SEPARATOR.join(values) + "\n").encode()


class _Rewritten(io.RawIOBase):
    """A stream of bytes made from an iterator."""

    def __init__(self, lines: Iterator[bytes]) -> None:
        self.lines, self.rest = lines, bytearray()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        while len(self.rest) < len(buffer):
            line = next(self.lines, None)
            if line is None:
                break
            self.rest += line
        count = min(len(buffer), len(self.rest))
        buffer[:count] = self.rest[:count]
        del self.rest[:count]
        return count

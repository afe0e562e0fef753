"""Packs: a table and the files that it names in one file, a zip archive whose members are stored as they are and read where they lie."""

from __future__ import annotations

import json
import mmap
import os
import struct
import zipfile
import zlib
from collections.abc import Iterable
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import IO, Any

MANIFEST = "pack.json"
FORMAT = 1
INNER = ".pack!/"
"""Between the name of a pack and that of a file in it: `waves.pack!/arrays/0.npy`."""
ALIGNED = 64
"""Bytes to which the content of each file begins."""
PADDING = 0xD935
"""Extra field that holds nothing but the bytes before an aligned content (Android's zipalign)."""
LONG_AGO = (1980, 1, 1, 0, 0, 0)
"""The time of every file: the same data make the same pack."""


class Broken(Exception):
    """Why a pack, or a file in it, cannot be read, in words."""


class Pack:
    """An open pack; raises Broken for what is none. Each file is compared with its checksum when it is read first."""

    def __init__(self, path: str) -> None:
        self.path = path
        try:
            with open(path, "rb") as file:
                self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            with zipfile.ZipFile(path) as archive:
                self._members = {each.filename: each for each in archive.infolist()}
        except FileNotFoundError:
            raise Broken("it is not there") from None
        except (OSError, ValueError, zipfile.BadZipFile) as error:
            raise Broken(f"it is no pack, or is cut off ({error})") from error
        self._checked: set[str] = set()
        self.manifest = self._read_manifest()

    def _read_manifest(self) -> dict[str, Any]:
        if MANIFEST not in self._members:
            raise Broken(f"it has no {MANIFEST}: `trainwright pack` did not write it")
        found = json.loads(bytes(self.read(MANIFEST)))
        if not isinstance(found, dict) or found.get("format") != FORMAT:
            raise Broken(f"it has format {found.get('format') if isinstance(found, dict) else '?'}, this version reads {FORMAT}")
        return found

    def __contains__(self, name: str) -> bool:
        return name in self._members

    def names(self) -> list[str]:
        """The files in it."""
        return list(self._members)

    def place(self, name: str) -> tuple[int, int]:
        """Where the content of a file begins in the pack, and how many bytes it has. Raises Broken."""
        member = self._members.get(name)
        if member is None:
            raise Broken("it is not in the pack")
        if member.compress_type != zipfile.ZIP_STORED:
            raise Broken("it is compressed in the pack, which another program wrote")
        head = self._map[member.header_offset : member.header_offset + 30]
        if len(head) < 30 or head[:4] != b"PK\x03\x04":
            raise Broken("the pack is damaged")
        named, extra = struct.unpack("<HH", head[26:30])
        start = member.header_offset + 30 + named + extra
        if start + member.file_size > len(self._map):
            raise Broken("the pack is cut off")
        return start, member.file_size

    def read(self, name: str) -> memoryview:
        """The content of a file, in the mapped pack. Raises Broken where it is not there, or not what was packed."""
        start, size = self.place(name)
        found = memoryview(self._map)[start : start + size]
        if name not in self._checked:
            if zlib.crc32(found) != self._members[name].CRC:
                raise Broken("it is damaged in the pack")
            self._checked.add(name)
        return found


def open_pack(path: str) -> Pack:
    """A pack, opened once as long as it is the same file. Raises Broken."""
    try:
        found = os.stat(path)
    except OSError as error:
        raise Broken(f"the pack is not there ({error.strerror})") from error
    return _opened(path, found.st_size, found.st_mtime_ns)


@lru_cache(maxsize=32)
def _opened(path: str, size: int, time: int) -> Pack:
    return Pack(path)


def split_member(path: str) -> tuple[str, str] | None:
    """The pack and the file in it that a path names; None where it names none."""
    before, inside, name = path.partition(INNER)
    return (f"{before}.pack", name) if inside else None


def open_file(path: str) -> IO[bytes]:
    """The bytes of a file, also of one in a pack, for readers of other kinds of files. Raises OSError."""
    if (member := split_member(path)) is None:
        return open(path, "rb")
    try:
        return BytesIO(open_pack(member[0]).read(member[1]))
    except Broken as error:
        raise OSError(str(error)) from error


def write_pack(path: Path, manifest: dict[str, Any], files: Iterable[tuple[str, Path | bytes]]) -> None:
    """Write (name in the pack, file or its content) one by one, and then the manifest. Raises OSError where a file or the disk refuses."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
        for name, file in files:
            _add(archive, name, file if isinstance(file, bytes) else file.read_bytes())
        _add(archive, MANIFEST, (json.dumps(manifest, indent=2) + "\n").encode())


def _add(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    member = zipfile.ZipInfo(name, LONG_AGO)
    member.external_attr = 0o644 << 16
    before = archive.start_dir + 30 + len(name.encode()) + 4
    fill = -before % ALIGNED
    member.extra = struct.pack("<HH", PADDING, fill) + bytes(fill)
    archive.writestr(member, content)

"""A .zip or .tar as a folder of plain files: nothing leaves the folder, no link or device is made, and nothing grows without end."""

from __future__ import annotations

import tarfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any

from trainwright.config.errors import DataError

MOST_BYTES = 64 << 30
MOST_FILES = 100_000
FREE_BYTES, MOST_RATIO = 1 << 30, 200
"""Beyond so many bytes, an archive that grows to more than so many times its size is refused."""
PART = 1 << 20
WHERE = "data.source"


@dataclass(frozen=True)
class Member:
    """A plain file of an archive."""

    name: str
    handle: Any


def unpack(archive: Path, folder: Path, shown: str) -> None:
    """Write the plain files of `archive` below `folder`; raises DataError for what is unsafe, encrypted, damaged, too large or none."""
    try:
        with _open_archive(archive, shown) as opened:
            _unpack(opened, archive.stat().st_size, folder, shown)
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, NotImplementedError, RuntimeError, ValueError, OSError) as error:
        why = " ".join(str(error).split()) or type(error).__name__
        raise DataError(
            f"'{shown}' cannot be unpacked", where=WHERE, why=why, fix="is it complete, and of that kind? get it again"
        ) from error


def _open_archive(archive: Path, shown: str) -> zipfile.ZipFile | tarfile.TarFile:
    if zipfile.is_zipfile(archive):
        return zipfile.ZipFile(archive)
    if tarfile.is_tarfile(archive):
        return tarfile.open(archive)
    raise DataError(
        f"'{shown}' is no archive", where=WHERE, why="its bytes are not those of a zip or tar", fix="is it complete? get it again"
    )


def _unpack(opened: zipfile.ZipFile | tarfile.TarFile, size: int, folder: Path, shown: str) -> None:
    written = 0
    members = list(_zip_members(opened, shown) if isinstance(opened, zipfile.ZipFile) else _tar_members(opened, shown))
    for member in members:
        path = folder / _safe_name(member.name, shown)
        path.parent.mkdir(parents=True, exist_ok=True)
        content = opened.open(member.handle) if isinstance(opened, zipfile.ZipFile) else opened.extractfile(member.handle)
        if content is None:  # `_tar_members` gives plain files only
            raise _no_file(member.name, shown)
        with content, path.open("xb") as file:
            written = _copy(content, file, written, size, shown)


def _copy(content: IO[bytes], file: IO[bytes], written: int, size: int, shown: str) -> int:
    """Copy in parts, and count what comes out rather than what the archive says of itself."""
    while part := content.read(PART):
        written += len(part)
        if written > MOST_BYTES or (written > FREE_BYTES and written > MOST_RATIO * size):
            why = f"{size:,} bytes unpack to more than {written:,}"
            raise DataError(
                f"'{shown}' becomes too large", where=WHERE, why=why, fix="unpack it yourself if you trust it, and name the file"
            )
        file.write(part)
    return written


def _zip_members(opened: zipfile.ZipFile, shown: str) -> Iterator[Member]:
    for count, each in enumerate(opened.infolist(), 1):
        _refuse_many(count, shown)
        if each.flag_bits & 1:
            raise DataError(
                f"'{shown}' is encrypted", where=WHERE, why=f"'{each.filename}' needs a password", fix="unpack it, and name the file"
            )
        kind = each.external_attr >> 16 & 0o170000  # as Unix writes it; 0 where another system made the archive
        if kind not in (0, 0o100000, 0o040000):
            raise _no_file(each.filename, shown)
        _safe_name(each.filename, shown)
        if not each.is_dir():
            yield Member(each.filename, each)


def _tar_members(opened: tarfile.TarFile, shown: str) -> Iterator[Member]:
    for count, each in enumerate(opened, 1):
        _refuse_many(count, shown)
        if not each.isfile() and not each.isdir():
            raise _no_file(each.name, shown)
        if each.isfile():
            _safe_name(each.name, shown)
            yield Member(each.name, each)


def _refuse_many(count: int, shown: str) -> None:
    if count > MOST_FILES:
        raise DataError(
            f"'{shown}' holds too many files", where=WHERE, why=f"more than {MOST_FILES:,}", fix="unpack it, and name the files"
        )


def _safe_name(name: str, shown: str) -> PurePosixPath:
    """The relative path of a member; raises DataError for one that would lie outside its folder."""
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or not path.parts or ":" in path.parts[0] or "\0" in name:
        why = f"'{name}' would be written outside the folder it is unpacked to"
        raise DataError(
            f"'{shown}' is not safe to unpack", where=WHERE, why=why, fix="get it from elsewhere, or unpack it with care yourself"
        )
    return path


def _no_file(name: str, shown: str) -> DataError:
    why = f"'{name}' is a link or a device"
    return DataError(f"'{shown}' is not safe to unpack", where=WHERE, why=why, fix="pack plain files only, or unpack it with care yourself")

"""Samples in one file that is mapped, with an index beside it; several processes read and add to it at the same time."""

from __future__ import annotations

import errno
import mmap
import os
import struct
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

RECORD = struct.Struct("<16s16sQQII")
"""Key of the source, key of its content, where the sample begins, its bytes, their checksum, and that of what stands before it."""
NO_SOURCE = bytes(16)
"""The key of a source that cannot be known by its size and time alone."""
DATA, INDEX, USERS = "samples", "index", "users"
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class Damaged(Exception):
    """A sample that is not what was kept."""


class Full(Exception):
    """There is no room for another sample; in words, why."""


class SampleStore:
    """A folder with `samples` and `index`. A sample is added under a lock, its numbers first and then its record, which has a checksum.

    What a killed process left half-written has no record and is never read; a record or sample that was damaged is known by its checksum,
    and a sample that is added again stands for the one before. `room(bytes)` says whether the file may grow to so many.
    """

    def __init__(self, folder: Path, room: Callable[[int], bool]) -> None:
        """Raises OSError where the folder cannot be made or used."""
        self.folder, self._room = folder, room
        self._users = _join_users(folder)
        self._data, self._index = (_open(folder / name) for name in (DATA, INDEX))
        self._opened_by, self._guard = os.getpid(), threading.Lock()
        self._sources: dict[bytes, int] = {}
        self._contents: dict[bytes, int] = {}
        self._places: list[tuple[int, int, int]] = []
        self._checked = bytearray()
        self._known = 0
        self._map: mmap.mmap | None = None
        self._refresh()

    @property
    def inherited(self) -> bool:
        """Whether it was opened before this process was forked: locks would be shared with the other one."""
        return os.getpid() != self._opened_by

    def find(self, source: bytes) -> int | None:
        """The number of the sample of a source; None where there is none."""
        found = self._sources.get(source)
        if found is None and self._refresh():
            found = self._sources.get(source)
        return found

    def find_content(self, content: bytes) -> int | None:
        """The number of the sample that was made of some content; None where there is none."""
        return self._contents.get(content)

    def read(self, number: int) -> memoryview:
        """The bytes of a sample, in the mapped file. Raises Damaged where they are not those that were kept."""
        start, size, checksum = self._places[number]
        if self._map is None or start + size > len(self._map):
            self._map_again()
        if self._map is None or start + size > len(self._map):
            raise Damaged("the file of samples is cut off")
        found = memoryview(self._map)[start : start + size]
        if not self._checked[number]:  # once in each process: what lies in memory does not change after that
            if zlib.crc32(found) != checksum:
                raise Damaged("a sample is not what was kept")
            self._checked[number] = 1
        return found

    def add(self, source: bytes, content: bytes, sample: bytes) -> None:
        """Keep a sample, in place of one that was damaged too. Raises Full, or OSError where the disk refuses."""
        import fcntl

        with self._guard:
            fcntl.flock(self._index, fcntl.LOCK_EX)
            try:
                self._add_alone(source, content, sample)
            finally:
                fcntl.flock(self._index, fcntl.LOCK_UN)

    def _add_alone(self, source: bytes, content: bytes, sample: bytes) -> None:
        self._refresh()
        known = self._contents.get(content)
        if known is not None and self._is_whole(known):
            if source != NO_SOURCE and self._sources.get(source) != known:
                self._append(source, content, *self._places[known])
            return
        start = -(-os.fstat(self._data).st_size // 64) * 64
        if not self._room(start + len(sample)):
            raise Full("what may be kept is kept")
        try:
            _write_all(self._data, sample, start)
            self._append(source, content, start, len(sample), zlib.crc32(sample))
        except OSError as error:
            with suppress(OSError):
                os.ftruncate(self._data, start)
            if error.errno in FULL:
                raise Full(error.strerror or "the disk is full") from error
            raise

    def close(self) -> bool:
        """Stop reading; whether no other process uses the store, which is then kept from beginning to until `leave`."""
        alone = _is_alone(self._users)
        self._map = None
        for each in (self._data, self._index):
            with suppress(OSError):
                os.close(each)
        return alone

    def leave(self) -> None:
        """Let the lock go that says that it is used."""
        with suppress(OSError):
            os.close(self._users)

    def abandon(self) -> None:
        """Let go of what was opened before this process was forked, without a word to the other one."""
        for each in (self._data, self._index, self._users):
            with suppress(OSError):
                os.close(each)

    def _is_whole(self, number: int) -> bool:
        try:
            self.read(number)
        except Damaged:
            return False
        return True

    def _append(self, source: bytes, content: bytes, start: int, size: int, checksum: int) -> None:
        end = os.fstat(self._index).st_size
        end -= end % RECORD.size  # over what a killed process left of one
        record = RECORD.pack(source, content, start, size, checksum, 0)
        record = record[:-4] + zlib.crc32(record[:-4]).to_bytes(4, "little")
        _write_all(self._index, record, end)
        if end == self._known:
            self._take_in(record)

    def _refresh(self) -> bool:
        """Take in the records that were added since; whether there were any."""
        size = os.fstat(self._index).st_size // RECORD.size * RECORD.size
        if size <= self._known:
            return False
        held = os.pread(self._index, size - self._known, self._known)
        self._take_in(held[: len(held) // RECORD.size * RECORD.size])
        return True

    def _take_in(self, records: bytes) -> None:
        """Know the samples of the records that come next in the index; a damaged one is passed over."""
        self._known += len(records)
        for place, (source, content, start, size, checksum, own) in enumerate(RECORD.iter_unpack(records)):
            begin = place * RECORD.size
            if zlib.crc32(records[begin : begin + RECORD.size - 4]) != own:
                continue
            number = len(self._places)
            self._places.append((start, size, checksum))
            self._contents[content] = number
            if source != NO_SOURCE:
                self._sources[source] = number
        self._checked.extend(bytes(len(self._places) - len(self._checked)))

    def _map_again(self) -> None:
        size = os.fstat(self._data).st_size
        self._map = mmap.mmap(self._data, size, access=mmap.ACCESS_READ) if size else None


def _open(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o600)


def _write_all(file: int, content: bytes, start: int) -> None:
    held = memoryview(content)
    while held:
        count = os.pwrite(file, held, start)
        held, start = held[count:], start + count


def _join_users(folder: Path) -> int:
    """Make the folder where it is missing, and a lock in it that says that this process uses it."""
    import fcntl

    while True:
        folder.mkdir(0o700, parents=True, exist_ok=True)
        if folder.is_symlink() or folder.stat().st_uid != os.getuid():
            raise PermissionError(errno.EPERM, "it belongs to someone else", str(folder))
        try:
            users = _open(folder / USERS)
        except FileNotFoundError:  # removed by another process since
            continue
        fcntl.flock(users, fcntl.LOCK_SH)
        try:
            if os.path.samestat(os.fstat(users), os.stat(folder / USERS)):
                os.utime(users)
                return users
        except FileNotFoundError:
            pass
        os.close(users)


def _is_alone(users: int) -> bool:
    import fcntl

    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


@contextmanager
def unused(folder: Path) -> Iterator[bool]:
    """Whether no process uses a store, which none begins to within the block."""
    try:
        users = os.open(folder / USERS, os.O_RDWR)
    except OSError:
        yield False
        return
    try:
        yield _is_alone(users)
    finally:
        os.close(users)

"""Bytes of files, also of those in packs, and handles that stay open for a while in the process that opened them."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from trainwright.features.npy import Unreadable
from trainwright.files.packed import Broken, open_file, open_pack, split_member

READING = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
KEPT = 8
"""Handles that are kept open in a process."""
Stamp = tuple[str, int, int]


def stamp(path: str) -> Stamp:
    """Path, time of the last change and size of a file: what is remembered of it holds as long as they are the same. Raises Unreadable."""
    member = split_member(path)
    try:
        found = os.stat(member[0] if member else path)
    except OSError as error:
        raise Unreadable(words_of(error, path)) from error
    return path, found.st_mtime_ns, found.st_size


def size_of(path: str) -> int:
    """Bytes of a file. Raises Unreadable, naming it."""
    try:
        if (member := split_member(path)) is not None:
            return open_pack(member[0]).place(member[1])[1]
        return os.stat(path).st_size
    except Broken as error:
        raise Unreadable(f"'{Path(path).name}': {error}") from error
    except OSError as error:
        raise Unreadable(words_of(error, path)) from error


def read_bytes(path: str, start: int = 0, count: int | None = None) -> bytes:
    """`count` bytes from `start`, or all that follow; fewer where the file ends. Raises Unreadable, naming the file."""
    if split_member(path) is not None:
        content = _in_pack(path)
        return bytes(content[start:] if count is None else content[start : start + count])
    try:
        file = os.open(path, READING)
        try:
            wanted = os.fstat(file).st_size - start if count is None else count
            return _pread(file, max(wanted, 0), start)
        finally:
            os.close(file)
    except OSError as error:
        raise Unreadable(words_of(error, path)) from error


def _pread(file: int, wanted: int, start: int) -> bytes:
    os.lseek(file, start, os.SEEK_SET)
    pieces = [os.read(file, wanted)]
    while (missing := wanted - sum(map(len, pieces))) and pieces[-1]:
        pieces.append(os.read(file, missing))
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _in_pack(path: str) -> memoryview:
    pack, name = split_member(path) or ("", "")
    try:
        return open_pack(pack).read(name)
    except Broken as error:
        raise Unreadable(f"'{name}': {error}") from error


def is_file(path: str) -> bool:
    """Whether a file is there, also in a pack."""
    if (member := split_member(path)) is None:
        return os.path.isfile(path)
    try:
        return member[1] in open_pack(member[0])
    except Broken:
        return False


def readable_at(path: str) -> Any:
    """What libraries open: the path, or for a file in a pack its bytes as a file. Raises Unreadable."""
    if split_member(path) is None:
        return path
    try:
        return open_file(path)
    except OSError as error:
        raise Unreadable(str(error)) from error


def words_of(error: OSError, path: str) -> str:
    """Why a file could not be read, naming the file."""
    known = {FileNotFoundError: "is not there", PermissionError: "may not be read", IsADirectoryError: "is a folder"}
    return f"'{Path(path).name}' {known.get(type(error), error.strerror or str(error))}"


class Handles:
    """Open handles by file, the least used one closed first; each is used by one thread at a time.

    A handle over a fork shares its position with the parent's, which reads wrong samples without an error: a child begins with none.
    """

    def __init__(self, kept: int = KEPT) -> None:
        self.kept = kept
        self._inherited: list[Any] = []
        self._begin()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._begin)

    def _begin(self) -> None:
        self._inherited.append(getattr(self, "_open", None))  # kept, not closed: closing may write, or move what the parent reads
        self._open: OrderedDict[Any, Any] = OrderedDict()
        self._lock = threading.RLock()

    @contextmanager
    def use(self, path: str, opened: Callable[[str], Any]) -> Iterator[Any]:
        """The handle of a file, opened with `opened` where it is not yet, or has changed since. Raises what that raises, and Unreadable."""
        with self._lock:
            key = (opened, *stamp(path))
            if key not in self._open:
                self.forget(path)
                self._open[key] = opened(path)
            self._open.move_to_end(key)
            while len(self._open) > self.kept:
                self._close(next(iter(self._open)))
            yield self._open[key]

    def forget(self, path: str) -> None:
        """Close the handles of a file."""
        with self._lock:
            for key in [each for each in self._open if each[1] == path]:
                self._close(key)

    def _close(self, key: Any) -> None:
        handle = self._open.pop(key)
        if hasattr(handle, "close"):
            handle.close()


HANDLES = Handles()

"""One writer per run: an advisory lock that the system drops when its process ends, however it ends."""

from __future__ import annotations

import errno
import os
import sys
import weakref
from pathlib import Path

from trainwright.config.errors import RunError
from trainwright.config.received import open_regular
from trainwright.files.text import refusal

_held: weakref.WeakSet[RunLock] = weakref.WeakSet()


class RunLock:
    """The lock file of a run; `acquire` raises RunError while another writer holds it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor: int | None = None

    @property
    def held(self) -> bool:
        """Whether this object holds the lock."""
        return self._descriptor is not None

    def acquire(self) -> None:
        """Take the lock, or raise RunError naming the process that has it."""
        if self.held:
            return
        try:
            descriptor = open_regular(self.path, os.O_RDWR | os.O_CREAT)
        except OSError as error:
            raise refusal(error, self.path.parent) from error
        if not _try_lock(descriptor):
            owner = os.read(descriptor, 64).decode("ascii", "replace").strip()
            os.close(descriptor)
            who = f"process {owner}" if owner else "another process"
            fix = "wait until it ends, stop it, or give this run another place with run.dir=DIR"
            raise RunError("this run is being written by someone else", where=str(self.path.parent), why=f"{who} holds its lock", fix=fix)
        try:
            os.ftruncate(descriptor, 0)
            os.write(descriptor, f"{os.getpid()}\n".encode())
        except OSError as error:
            os.close(descriptor)
            raise refusal(error, self.path.parent) from error
        self._descriptor = descriptor
        _held.add(self)

    def release(self) -> None:
        """Give the lock back; harmless when it is not held."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def is_taken(self) -> bool:
        """Whether any process holds the lock now."""
        if self.held:
            return True
        try:
            descriptor = open_regular(self.path)
        except (OSError, RunError):
            return False
        free = _try_lock(descriptor)
        os.close(descriptor)
        return not free

    def __del__(self) -> None:
        self.release()


def _try_lock(descriptor: int) -> bool:
    """Lock an open file without waiting; a file system without locks counts as free."""
    if sys.platform == "win32":
        return True
    import fcntl

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno not in (errno.EWOULDBLOCK, errno.EACCES)
    return True


def _drop_in_child() -> None:
    # A forked loader worker must not keep the lock of a killed parent; closing its copy leaves the parent's lock alone.
    for lock in list(_held):
        lock.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_drop_in_child)

"""Files and folders that are whole or not there: made beside their place under a hidden name, then renamed.

The hidden one is locked while it is made, so that what a killed process left is known from what another process is writing now.
"""

from __future__ import annotations

import itertools
import os
import re
import shutil
import stat
import sys
import tempfile
import weakref
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

TEMPORARY = re.compile(r"\..+\.\d+-\d+\.trainwright\.tmp(\.\w+)?")
"""The hidden names; `.name.12-0.trainwright.tmp.csv` of process 12."""
SCRATCH = re.compile(r"trainwright-\w{8}\.scratch")
LONGEST_STEM = 100
"""Bytes of the final name that are repeated in the hidden one, which must not become too long for the file system."""
_numbers = itertools.count()


@contextmanager
def whole_file(path: Path, *, sync: bool = False) -> Iterator[Path]:
    """A hidden place beside `path` to write to, which becomes `path` when the block ends well, and is gone when it does not.

    `sync` waits until the disk has it. Raises OSError when the disk refuses.
    """
    temporary = _hidden_place(path, path.suffix)
    descriptor = _claim_file(temporary)
    try:
        with suppress(FileNotFoundError):  # who may read an earlier one may read this one
            os.chmod(temporary, stat.S_IMODE(os.stat(path, follow_symlinks=False).st_mode))
        yield temporary
        if sync:
            sync_place(temporary)
        os.replace(temporary, path)
        if sync:
            sync_place(path.parent)
    finally:
        with suppress(OSError):
            temporary.unlink()
        if descriptor >= 0:
            os.close(descriptor)


@contextmanager
def whole_folder(path: Path, *, beside: bool = False) -> Iterator[Path]:
    """A hidden folder which becomes `path` (absent until now, or empty) when the block ends well, and is gone when it does not.

    Folders above it that are missing are made. With `beside` what is made comes to lie in `path` beside what is there already. Raises
    OSError when the disk refuses.
    """
    missing = [each for each in (*([path.absolute()] if beside else []), *path.absolute().parents) if not each.exists()]
    if beside:
        path.mkdir(parents=True, exist_ok=True)
    # A mount point cannot be renamed over: what is made lies in it then, and its entries are moved up one by one.
    fixed = beside or (path.exists() and (os.path.ismount(path) or path.samefile(Path.cwd())))
    temporary = _hidden_place(path / path.resolve().name if fixed else path)
    descriptor = -1
    done = False
    try:
        descriptor = _claim_folder(temporary)
        yield temporary
        for each in temporary.rglob("*"):
            if each.is_file() and not each.is_symlink():
                sync_place(each)
        for source, target in [(each, path / each.name) for each in temporary.iterdir()] if fixed else [(temporary, path)]:
            os.rename(source, target)
        sync_place(path if fixed else path.parent)
        done = True
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        if descriptor >= 0:
            os.close(descriptor)
        if not done:
            remove_empty(missing)


class Scratch:
    """A folder of temporary files: gone with this object, or removed by the next process where this one was killed."""

    def __init__(self) -> None:
        _sweep_scratch(Path(tempfile.gettempdir()))
        self._temporary = tempfile.TemporaryDirectory(prefix="trainwright-", suffix=".scratch")
        self.path = Path(self._temporary.name)
        descriptor = _claim_folder(self.path, 0o700)
        self._unlock = weakref.finalize(self, os.close, descriptor) if descriptor >= 0 else None

    def remove(self) -> None:
        """Remove the folder."""
        self._temporary.cleanup()
        if self._unlock is not None:
            self._unlock()

    def __enter__(self) -> Path:
        return self.path

    def __exit__(self, *_: object) -> None:
        self.remove()


def _sweep_scratch(folder: Path) -> None:
    with suppress(OSError), os.scandir(folder) as entries:
        for each in entries:
            # Others write there too: only folders of this name, and of this person.
            if SCRATCH.fullmatch(each.name) and each.is_dir(follow_symlinks=False) and each.stat(follow_symlinks=False).st_uid == _user():
                _remove_abandoned(Path(each.path))


def _user() -> int:
    return -1 if sys.platform == "win32" else os.getuid()


def remove_empty(folders: Iterable[Path]) -> None:
    """Remove folders, the deepest first, until one of them is not empty or not there."""
    for folder in folders:
        try:
            folder.rmdir()
        except OSError:
            return


def sweep(folder: Path, *, deep: bool = False) -> None:
    """Remove what killed processes left half-made in a folder (and with `deep` in those below it); what is being written stays."""
    for place, folders, files in os.walk(folder):
        for name in [each for each in (*folders, *files) if TEMPORARY.fullmatch(each)]:
            _remove_abandoned(Path(place, name))
        folders[:] = [each for each in folders if not each.startswith(".")] if deep else []


def _remove_abandoned(path: Path) -> None:
    if path.is_symlink() or os.name == "nt":
        return
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except OSError:  # another process was first, or it is someone else's
        return
    try:
        # Under the lock, what is there may be another than what was opened: removed by a third, and made again by its owner.
        if not _is_locked(descriptor) and _is_at(descriptor, path):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    except OSError:
        return
    finally:
        os.close(descriptor)


def _hidden_place(path: Path, suffix: str = "") -> Path:
    plain = path.with_name(path.name.removesuffix(suffix)) if suffix else path
    return hidden_beside(plain, f"{os.getpid()}-{next(_numbers)}.trainwright.tmp{suffix}")


def hidden_beside(path: Path, ending: str) -> Path:
    """The hidden name beside `path` that ends so; of a long name the beginning."""
    short = path.name.encode("utf-8", "surrogateescape")[:LONGEST_STEM].decode("utf-8", "ignore")
    return path.with_name(f".{short}.{ending}")


def lock_folder(path: Path) -> int | None:
    """Make a folder, where it is not there, and lock it while the descriptor is open; None where another process has it, -1 on Windows."""
    while True:
        path.mkdir(exist_ok=True)
        if sys.platform == "win32":
            return -1
        import fcntl

        with suppress(FileNotFoundError):  # its owner was done with it
            descriptor = os.open(path, os.O_RDONLY)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(descriptor)
                return None
            except OSError:  # a file system without locks
                return descriptor
            if _is_at(descriptor, path):
                return descriptor
            os.close(descriptor)


def _claim_file(path: Path) -> int:
    """Make an empty file and lock it; -1 on Windows, as for folders."""
    while True:
        descriptor = _claim(path, os.O_RDWR | os.O_CREAT)
        if descriptor < 0 or _is_at(descriptor, path):
            return descriptor
        os.close(descriptor)


def _claim_folder(path: Path, mode: int = 0o777) -> int:
    """Make a folder, where it is not there, and lock it; -1 on Windows, where what is open cannot be renamed, and so nothing is swept."""
    while True:
        with suppress(FileExistsError):
            path.mkdir(mode, parents=True)
        with suppress(FileNotFoundError):  # swept before it was opened
            descriptor = _claim(path, os.O_RDONLY)
            if descriptor < 0 or _is_at(descriptor, path):
                return descriptor
            os.close(descriptor)


def _is_at(descriptor: int, path: Path) -> bool:
    """Whether what was opened is what lies there; between making a place and locking it, another process may sweep it."""
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except FileNotFoundError:
        return False


def _claim(path: Path, flags: int) -> int:
    """Open, and lock for as long as it is open; one who is sweeping it is waited for, since then it is gone, and known to be."""
    if sys.platform == "win32":
        return -1
    import fcntl

    descriptor = os.open(path, flags, 0o666)
    with suppress(OSError):  # a file system without locks: then what lies there is not swept either
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    return descriptor


def _is_locked(descriptor: int) -> bool:
    if sys.platform == "win32":
        return True
    import fcntl

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    return False


def sync_place(path: Path) -> None:
    """Make a file, or the entries of a folder, durable where the system can."""
    if os.name == "nt" and path.is_dir():
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

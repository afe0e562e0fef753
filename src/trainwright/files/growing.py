"""A file that grows piece by piece and gets its name once it is whole: what a killed process left of it is continued by the next."""

from __future__ import annotations

import json
import logging
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from trainwright.config.errors import RequestError
from trainwright.files.whole import hidden_beside, lock_folder, sync_place, whole_file

log = logging.getLogger(__name__)

RECORD_EVERY = 2.0
"""Seconds after which what was written is recorded, and waited for until the disk has it; a killed process loses no more work."""
STATE = "state.json"


class GrowingFile:
    """Files in a hidden folder beside `path`, and what is recorded of them: how long each was, and what was done by then.

    One process writes to it at a time. `key` is what they depend on: what was recorded under another one is not continued.
    """

    def __init__(self, path: Path, key: Any) -> None:
        """Raises RequestError where another process writes it now, OSError when the disk refuses."""
        self.path, self.key = path, json.loads(json.dumps(key))
        self.folder = hidden_beside(path, "trainwright.part")
        self.lock = lock_folder(self.folder)
        if self.lock is None:
            what, why = "another process is writing this file", f"it holds '{self.folder.name}' beside it"
            raise RequestError(what, where=f"-o {path}", why=why, fix="wait for it, or name another file")
        self.files: dict[str, IO[bytes]] = {}
        self.next = time.monotonic() + RECORD_EVERY
        self.done = self._read()
        """What was recorded last; nothing where it begins anew."""
        if not self.done:
            (self.folder / STATE).unlink(missing_ok=True)  # it says how long files were that hold other bytes from here on

    def _read(self) -> dict[str, Any]:
        try:
            found = json.loads((self.folder / STATE).read_text())
            long = all((self.folder / name).stat().st_size >= size for name, size in found["bytes"].items())
            return dict(found["done"]) if long and found["key"] == self.key and self.key is not None else {}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return {}

    def open(self, name: str) -> IO[bytes]:
        """A file of the folder, to be written on from where it was recorded last."""
        size = json.loads((self.folder / STATE).read_text())["bytes"].get(name, 0) if self.done else 0
        file = (self.folder / name).open("r+b" if size else "w+b")
        file.truncate(size)
        file.seek(size)
        self.files[name] = file
        return file

    def record(self, done: Mapping[str, Any]) -> None:
        """Record what was done by now, where it is time to."""
        if self.key is None or time.monotonic() < self.next:
            return
        for file in self.files.values():
            file.flush()
            os.fsync(file.fileno())
        sizes = {name: file.tell() for name, file in self.files.items()}
        with whole_file(self.folder / STATE) as temporary:
            temporary.write_text(json.dumps({"key": self.key, "bytes": sizes, "done": dict(done)}))
        self.next = time.monotonic() + RECORD_EVERY

    def finish(self, name: str) -> None:
        """Give the file `name` the place that it is for, and remove the others."""
        for file in self.files.values():
            file.flush()
            file.close()
        sync_place(self.folder / name)
        with suppress(FileNotFoundError):  # who may read an earlier one may read this one
            os.chmod(self.folder / name, self.path.stat().st_mode & 0o7777)
        os.replace(self.folder / name, self.path)
        sync_place(self.path.parent)
        self.remove()

    def remove(self) -> None:
        """Remove all of it."""
        for file in self.files.values():
            with suppress(OSError):
                file.close()
        shutil.rmtree(self.folder, ignore_errors=True)
        self.leave()

    def leave(self) -> None:
        """Leave what was recorded to the next process."""
        for file in self.files.values():
            with suppress(OSError):
                file.close()
        if self.lock is not None and self.lock >= 0:
            os.close(self.lock)
        self.lock = None


@contextmanager
def growing_file(path: Path, key: Any) -> Iterator[GrowingFile]:
    """A file that is removed when the block fails, and left to be continued when it is interrupted; finish it in the block."""
    growing = GrowingFile(path, key)
    try:
        yield growing
    except (KeyboardInterrupt, SystemExit):
        if (growing.folder / STATE).is_file():
            growing.leave()
            log.warning("%s: what was written is kept, and the same command goes on from it", path)
        else:
            growing.remove()
        raise
    except BaseException:
        growing.remove()
        raise

"""What ranks other than 0 print: kept in a file of the run each, and on request shown with their rank; rank 0 prints itself."""

from __future__ import annotations

import os
import select
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO

from trainwright.parallel.run_place import RUN, log_name

MOST = 1 << 20
"""Bytes that are kept until there is a run to write them to."""


class RankOutput:
    """The end of a pipe into which a rank prints."""

    def __init__(
        self, rank: int, reading: int, folder: Path, show: Callable[[str], None] | None, prefix: str | None = None, keeps: bool = True
    ) -> None:
        """`folder` of the launcher. `show` is given whole lines where they are to be seen, each after `prefix`, which names the rank.

        `keeps`: whether they go to a file of the run.
        """
        self.rank, self.reading, self.folder, self.show, self.keeps = rank, reading, folder, show, keeps
        self.prefix = f"[rank {rank}] " if prefix is None else prefix
        self.open = True
        self._kept, self._line = b"", b""
        self._file: IO[bytes] | None = None
        os.set_blocking(reading, False)

    def read(self) -> bool:
        """Take in what has come; False when nothing had."""
        try:
            content = os.read(self.reading, 1 << 16)
        except BlockingIOError:
            return False
        if not content:
            self._show(b"\n" if self._line else b"")
            self.open = False
            return False
        self._write(content)
        self._show(content)
        return True

    def close(self) -> None:
        """Take in the rest and write it down. Processes that the rank has left behind may still hold the pipe open."""
        while self.open and self.read():
            pass
        self._write(b"")
        if self._file is not None:
            self._file.close()
        os.close(self.reading)

    @property
    def last(self) -> str:
        """The last lines, where there is no run that has them."""
        return self._kept.decode("utf-8", "replace")[-4000:]

    def _write(self, content: bytes) -> None:
        if not self.keeps:
            return
        if self._file is None:
            self._kept = (self._kept + content)[-MOST:]
            place = self._place()
            if place is None:
                return
            with suppress(OSError):
                place.parent.mkdir(exist_ok=True)
                self._file = place.open("ab", buffering=0)
                content = self._kept
        if self._file is not None:
            with suppress(OSError):  # a full disk must not end the run
                self._file.write(content)

    def _place(self) -> Path | None:
        try:
            run = (self.folder / RUN).read_text(encoding="utf-8")
        except OSError:
            return None
        return Path(run) / log_name(self.rank) if os.path.isdir(run) else None

    def _show(self, content: bytes) -> None:
        if self.show is None:
            return
        *lines, self._line = (self._line + content).split(b"\n")
        for each in lines:
            self.show(self.prefix + each.decode("utf-8", "replace"))


def wait_for_output(outputs: list[RankOutput], seconds: float) -> None:
    """Take in what the ranks print, for about so long, or until something comes."""
    reading = {each.reading: each for each in outputs if each.open}
    for number in select.select(list(reading), [], [], seconds)[0]:
        reading[number].read()

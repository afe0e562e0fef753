"""Standard output and error that may be closed, gone or full: work goes on without them, and what only prints ends quietly."""

from __future__ import annotations

import errno
import io
import os
import sys
from collections.abc import Sequence
from typing import Any, TextIO

WORKING = ("train", "resume", "export", "report", "convert")
"""Commands whose result is what they write to files: nobody need read along."""


class Shown(Exception):
    """What was asked for (a help, the version) is printed; there is nothing else to do."""


class OutputLostError(OSError):
    """What was printed could not be written: the reader is gone, or the disk is full."""


class Standard(io.FileIO):
    """The file of a standard stream; with `may_go` what it cannot write is lost without an error."""

    def __init__(self, number: int, may_go: bool) -> None:
        super().__init__(number, "w", closefd=False)
        self._may_go = may_go

    def write(self, content: Any, /) -> int:
        """As of a file; raises OutputLostError where it matters and fails."""
        try:
            return super().write(content) or 0
        except OSError as error:
            if self._may_go:
                return len(content)
            raise OutputLostError(error.errno, error.strerror) from error


def prepare_streams(words: Sequence[str]) -> None:
    """Open closed standard streams to nowhere, so that no file takes their number, and let those go that the command can do without."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number, which is this one
    saved = {"-o", "--output"} & {each.partition("=")[0] for each in words}
    works = bool(words) and (words[0] in WORKING or (words[0] == "predict" and bool(saved)))
    sys.stdout = _stream(sys.stdout, 1, may_go=works)
    sys.stderr = _stream(sys.stderr, 2, may_go=True)


def _stream(old: TextIO | None, number: int, *, may_go: bool) -> TextIO:
    if old is not None:
        old.flush()
    raw = Standard(number, may_go)
    encoding, errors = ("utf-8", "strict") if old is None else (old.encoding, old.errors)
    errors = "backslashreplace" if number == 2 else errors
    return io.TextIOWrapper(io.BufferedWriter(raw), encoding, errors, line_buffering=number == 2 or raw.isatty())


def end_of(error: OutputLostError) -> int:
    """The exit code when output was lost: that of a program whose reader went away, else 1, with the reason on standard error."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # nothing more can be said, also not by the interpreter's own flush at exit
    if error.errno == errno.EPIPE:
        return 141
    from trainwright.cli.failure import explain
    from trainwright.config.errors import TrainwrightError

    fix = "free some space, or send it elsewhere"
    explain(TrainwrightError("the output cannot be written", where="standard output", why=error.strerror or "", fix=fix))
    return 1

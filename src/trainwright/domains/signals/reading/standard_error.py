"""What libraries in C print to standard error, caught: the decoder of mp3 tells damage in no other way."""

from __future__ import annotations

import os
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

_LOCK = threading.RLock()


@dataclass
class Caught:
    """What was printed."""

    text: str = ""


@contextmanager
def caught_standard_error() -> Iterator[Caught]:
    """Within it nothing reaches standard error; what was printed is in `text` afterwards."""
    found = Caught()
    with _LOCK, tempfile.TemporaryFile() as file:
        _flush()
        try:
            before = os.dup(2)
        except OSError:  # the process has no standard error
            yield found
            return
        try:
            os.dup2(file.fileno(), 2)
            yield found
        finally:
            os.dup2(before, 2)
            os.close(before)
            file.seek(0)
            found.text = file.read().decode(errors="replace")


def _flush() -> None:
    if sys.stderr is not None and not sys.stderr.closed:
        sys.stderr.flush()

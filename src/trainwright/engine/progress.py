"""Which progress suits the place where a person looks on: a terminal, a notebook, or a file of lines."""

from __future__ import annotations

import os
import sys
from typing import TextIO

from trainwright.engine.callbacks.base import Callback
from trainwright.engine.callbacks.terminal import LiveProgress, PlainProgress, RelayedProgress
from trainwright.parallel.launched import TERMINAL


def progress(stream: TextIO | None = None, kind: str = "auto") -> Callback:
    """The progress that suits a stream; without one, that of the notebook we are in, else of standard output. `kind`: `auto` or `plain`."""
    if stream is None and "IPython" in sys.modules and kind == "auto":
        from trainwright.engine.callbacks.notebook import NotebookProgress, in_notebook

        if in_notebook():
            return NotebookProgress(sys.stdout)
    stream = sys.stdout if stream is None else stream
    if kind == "auto" and stream is sys.stdout and os.environ.get(TERMINAL):
        return RelayedProgress(stream)
    return LiveProgress(stream) if stream is not None and kind == "auto" and _is_terminal(stream) else PlainProgress(stream)


def _is_terminal(stream: TextIO) -> bool:
    """Whether a person looks on; a stream that is closed, or that a program made itself, may be unable to say."""
    try:
        return bool(stream.isatty())
    except (OSError, ValueError, AttributeError):
        return False

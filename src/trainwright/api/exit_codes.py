"""The exit code of a program of a person's own that a signal ends: the same as the command's, where nobody catches Interrupted."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Any

from trainwright.config.errors import Interrupted

_before: Any = None
"""The hook that was there."""


def exit_as_promised() -> None:
    """From here on an Interrupted that nothing catches is told in its words, without a traceback, and the program ends with 75."""
    global _before
    if sys.excepthook is not _exit_with_code:
        _before, sys.excepthook = sys.excepthook, _exit_with_code


def _exit_with_code(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if not isinstance(error, Interrupted):
        _before(kind, error, trace)
        return
    print(f"interrupted: {error}", file=sys.stderr)
    raise SystemExit(error.exit_code)  # which Python takes from a hook as it does from a program

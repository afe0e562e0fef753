"""How a rank ends. Imports no torch."""

from __future__ import annotations

import atexit
import os
import sys
import threading
from contextlib import suppress
from typing import NoReturn


def leave(code: int) -> NoReturn:
    """End this process with `code`, after its threads and exit handlers, as Python would, but without taking the interpreter apart.

    Threads of torch's process groups run until the very end. Where another rank has left before, what they meet while objects and
    libraries are taken apart ends the process by SIGABRT, so that a finished run would end with 1.
    """
    threading._shutdown()  # type: ignore[attr-defined]  # waits for threads that are no daemons
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):
            stream.flush()
    os._exit(code)

"""A process that has imported everything and runs commands in forks of itself, each killed by SIGKILL at a call of `os` or at a moment.

It reads one JSON line for each: `words`, `folder`, and `number` (before which of `CALLS` it dies), `seconds`, or `limit` (bytes that a
file may have); and answers the exit code.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
import time
from collections.abc import Callable
from typing import Any

CALLS = ("fsync", "replace", "rename", "mkdir")


def run_command(words: list[str], folder: str, number: int, limit: int) -> int:
    """Run a command in `folder`, quietly, and die before the `number`-th of the calls; 0 is none."""
    import torch

    from trainwright.cli.main import main

    os.chdir(folder)
    silent = os.open("output.txt", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(silent, 1)
    os.dup2(silent, 2)
    torch.set_num_threads(1)
    if limit:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    left = number

    def dying(original: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **more: Any) -> Any:
            nonlocal left
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return original(*arguments, **more)

        return call

    for name in CALLS:
        setattr(os, name, dying(getattr(os, name)))
    return main(words)


def forked(words: list[str], folder: str, number: int = 0, seconds: float | None = None, limit: int = 0) -> int:
    """The exit code of a command in a fork; -9 when it was killed."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            code = run_command(words, folder, number, limit)
        finally:
            sys.stdout.flush()
            os._exit(code)
    if seconds is not None:
        time.sleep(seconds)
        os.kill(child, signal.SIGKILL)  # it may have ended: then its exit code waits to be read, and the number is still its own
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def serve() -> None:
    """Answer every line."""

    for line in sys.stdin:
        print(forked(**json.loads(line)), flush=True)


if __name__ == "__main__":
    serve()

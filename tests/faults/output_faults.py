"""A process that has imported everything and runs commands in forks of itself, each killed by SIGKILL at a call of `os` or at a moment.

It reads one JSON line for each: `words`, `folder`, and `number` (before which of `CALLS` it dies), `seconds`, or `limit` (bytes that a
file may have); and answers the exit code. A command that is not killed tells what it imported, and the next forks have it already.

A sync is a place to die at, but does not wait for the disk: what a killed process wrote stays, synced or not.
"""

from __future__ import annotations

import importlib
import json
import os
import resource
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch

from trainwright.cli.main import main

CALLS = ("fsync", "replace", "rename", "mkdir")
IMPORTED = Path(sys.argv[1])
"""The file in which a command tells what it imported."""


def run_command(words: list[str], folder: str, number: int, limit: int) -> int:
    """Run a command in `folder`, quietly, and die before the `number`-th of the calls; 0 is none."""
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

    os.fsync = lambda descriptor: os.fstat(descriptor) and None
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
            if number == limit == 0:
                IMPORTED.write_text(" ".join(each for each in sys.modules if installed(sys.modules[each])))
        finally:
            sys.stdout.flush()
            os._exit(code)
    if seconds is not None:
        time.sleep(seconds)
        os.kill(child, signal.SIGKILL)  # it may have ended: then its exit code waits to be read, and the number is still its own
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def installed(module: Any) -> bool:
    """Whether a module is of Python, of an installed package or of ours, not of a folder of the test."""
    file = getattr(module, "__file__", None)
    return file is not None and not file.startswith(str(IMPORTED.parents[1])) and module.__name__ != "__main__"


def serve() -> None:
    """Answer every line."""
    for line in sys.stdin:
        code = forked(**json.loads(line))
        if IMPORTED.exists():
            for name in set(IMPORTED.read_text().split()) - sys.modules.keys():
                with suppress(Exception):  # what cannot be imported alone is imported by the command, as ever
                    importlib.import_module(name)
            IMPORTED.unlink()
        print(code, flush=True)


if __name__ == "__main__":
    serve()

"""The process that members and ranks are forked from, without its imports: forked itself, before the command begins, from what has them.

All else of it is `trainwright.parallel.elastic.preloaded`. That it imports what it needs is tested where `imports=True` is asked for.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
from collections.abc import Sequence
from typing import Any

from trainwright.parallel.elastic import preloaded


class _Process:
    """As much of `subprocess.Popen` as is asked of it."""

    def __init__(self, pid: int) -> None:
        self._pid = pid

    def kill(self) -> None:
        os.kill(self._pid, signal.SIGKILL)

    def wait(self) -> None:
        os.waitpid(self._pid, 0)


def may_be_wanted(words: Sequence[str]) -> bool:
    """Whether a command begins other processes."""
    return bool(words) and (words[0] == "sweep" or any(each.startswith(("launch", "--devices", "--launch")) for each in words))


def stand_by() -> list[str] | None:
    """Fork the server of the command that this process is about to be, which asks for one as ever. In what is forked from the server: the
    words of the command that it is; in the command itself None.
    """
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    pid = os.fork()
    if pid == 0:
        ours.close()
        return _serve(theirs)
    theirs.close()
    original: Any = preloaded.Preloaded

    class Standing(original):  # type: ignore[misc]
        """The first one that the command asks for."""

        def __init__(self, threads: int | None, more: Sequence[str] = ()) -> None:
            setattr(preloaded, "Preloaded", original)  # noqa: B010  (a second is begun as ever)
            self._ours, self._process = ours, _Process(pid)
            self._codes, self._ready, self._gone = {}, False, False
            ours.send(json.dumps({"path": sys.path, "more": list(more), "threads": threads}).encode())

    setattr(preloaded, "Preloaded", Standing)  # noqa: B010
    return None


def _serve(theirs: socket.socket) -> list[str]:
    import torch

    os.setpgid(0, 0)
    content = theirs.recv(preloaded.MOST)
    if not content:
        os._exit(0)  # the command has ended, and wanted none
    asked = json.loads(content)
    sys.path[:] = asked["path"]
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    if asked["threads"] is not None:
        os.environ["OMP_NUM_THREADS"] = str(asked["threads"])
        torch.set_num_threads(asked["threads"])
    words = preloaded.serve(theirs.detach(), asked["more"])
    if words is None:
        os._exit(0)
    return words

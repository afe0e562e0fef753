"""A process that has imported all that a rank needs, and from which ranks are forked: another start of them needs no import."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from trainwright.parallel.commands import python_again

PROGRAM = """import sys
sys.path[:], sys.argv[0] = {path!r}, {name!r}
from trainwright.parallel.elastic.preloaded import serve
words = serve({number}, {more!r})
if words is None:
    sys.exit(0)
from trainwright.cli.main import main
sys.argv[1:] = words
sys.exit(main())
"""
IMPORTED = ("trainwright.api.train", "trainwright.api.resume", "trainwright.cli.train", "trainwright.cli.resume")
MOST = 1 << 17
"""Bytes of a message."""
PAUSE = 0.02
"""Seconds between two looks at a server that imports."""
LOST = 1
"""The exit code of a rank whose server has gone without telling it."""
IGNORED = ("SIGINT", "SIGTERM", "SIGUSR1", "SIGHUP")
"""Signals that a terminal or Slurm sends to all processes: the server ends with the one that it serves."""


class ForkedRank:
    """A process that was forked from the server; its code comes from there."""

    def __init__(self, server: Preloaded, pid: int) -> None:
        self._server, self.pid = server, pid

    def poll(self) -> int | None:
        """As of `subprocess.Popen`."""
        return self._server.code_of(self.pid)


class Preloaded:
    """The server, begun at once; ranks may be asked of it when it is `ready`."""

    def __init__(self, threads: int | None, more: Sequence[str] = ()) -> None:
        """`threads`: those that a rank computes with, where the person does not say. `more`: modules that it imports too, where they are
        installed.
        """
        self._ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        program = PROGRAM.format(path=sys.path, name=sys.argv[0], number=theirs.fileno(), more=tuple(more))
        variables = dict(os.environ)
        variables.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as the command has it, before torch is imported
        if threads is not None:
            variables["OMP_NUM_THREADS"] = str(threads)
        self._process = subprocess.Popen(
            [*python_again(), "-c", program],
            stdin=subprocess.DEVNULL,
            env=variables,
            pass_fds=[theirs.fileno()],
            process_group=0,
        )
        theirs.close()
        self._codes: dict[int, int] = {}
        self._ready = self._gone = False

    @property
    def ready(self) -> bool:
        """Whether it has imported everything."""
        self._take_in(0.0)
        return self._ready

    @property
    def gone(self) -> bool:
        """Whether it has ended by itself: something cannot be imported, or it was killed."""
        self._take_in(0.0)
        return self._gone

    def begin(self, words: Sequence[str], variables: Mapping[str, str], printed: int | None) -> ForkedRank:
        """As `commands.begin_process`. Raises OSError where the server is gone."""
        asked = json.dumps({"words": list(words), "variables": dict(variables)}).encode()
        socket.send_fds(self._ours, [asked], [] if printed is None else [printed])
        while "pid" not in (told := self._receive()):
            self._keep(told)
        return ForkedRank(self, int(told["pid"]))

    def code_of(self, pid: int) -> int | None:
        """The exit code of a rank, negative for a signal; None while it runs."""
        self._take_in(0.0)
        return self._codes.get(pid, LOST if self._gone and not _is_there(pid) else None)

    def close(self) -> None:
        """End the server; ranks that still run are asked to end."""
        self._ours.close()
        self._process.kill()  # it has nothing to put away
        self._process.wait()

    def _take_in(self, seconds: float) -> None:
        while not self._gone and select.select([self._ours], [], [], seconds)[0]:
            try:
                self._keep(self._receive())
            except OSError:
                return

    def _receive(self) -> dict[str, Any]:
        try:
            content = self._ours.recv(MOST)
        except OSError:
            content = b""
        if not content:
            self._gone = True
            raise OSError("the process that ranks are forked from has ended")
        told: dict[str, Any] = json.loads(content)
        return told

    def _keep(self, told: dict[str, Any]) -> None:
        self._ready = self._ready or "ready" in told
        if "ended" in told:
            self._codes[int(told["ended"])] = int(told["code"])


def _is_there(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def serve(number: int, more: Sequence[str] = ()) -> list[str] | None:
    """In the server: import everything, and fork what is asked for. Returns the words in a forked process, None at the end.

    The server has one thread and computes nothing, so that what is forked from it is as good as new.
    """
    connection = socket.socket(fileno=number)
    before = {name: signal.signal(getattr(signal, name), signal.SIG_IGN) for name in IGNORED if hasattr(signal, name)}
    waking, woken = os.pipe()
    for each in (waking, woken):
        os.set_blocking(each, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(woken)
    _import_all(more)
    connection.send(json.dumps({"ready": True}).encode())

    def restore() -> None:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for name, handler in before.items():
            signal.signal(getattr(signal, name), handler)
        for each in (waking, woken):
            os.close(each)
        connection.close()

    while True:
        watched: list[Any] = [connection, waking]
        reading = select.select(watched, [], [])[0]
        if waking in reading:
            with suppress(BlockingIOError):
                os.read(waking, 512)
            _tell_ended(connection)
        if connection in reading:
            content, handed, _, _ = socket.recv_fds(connection, MOST, 1)
            if not content:
                return None
            words = _fork(connection, json.loads(content), handed, restore)
            if words is not None:
                return words


def _import_all(more: Sequence[str]) -> None:
    from importlib import import_module

    import_module("trainwright.data.arrow").pandas_later()  # as the command does
    for name in IMPORTED:
        import_module(name)
    for name in more:
        with suppress(ImportError):  # who needs it will say so
            import_module(name)


def _tell_ended(connection: socket.socket) -> None:
    """Tell the code of each process that has ended."""
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        with suppress(OSError):
            connection.send(json.dumps({"ended": pid, "code": os.waitstatus_to_exitcode(status)}).encode())


def _fork(connection: socket.socket, asked: dict[str, Any], handed: list[int], restore: Callable[[], None]) -> list[str] | None:
    """Fork a rank. In it: take its place, and return its words; in the server tell its number, and return None."""
    server = os.getpid()
    pid = os.fork()
    if pid:
        for each in handed:
            os.close(each)
        connection.send(json.dumps({"pid": pid}).encode())
        return None
    restore()
    _take_place(server, asked["variables"], handed)
    words: list[str] = asked["words"]
    return words


def _take_place(server: int, variables: dict[str, str], handed: list[int]) -> None:
    """What `begin_process` does for a process that begins anew."""
    from trainwright.parallel.child_environment import end_with_parent

    with suppress(OSError):
        os.setpgid(0, 0)
    for each in handed:
        os.dup2(each, 1)
        os.dup2(each, 2)
        os.close(each)
    os.environ.update(variables)
    end_with_parent(server)
    if threads := variables.get("OMP_NUM_THREADS"):
        import torch

        torch.set_num_threads(int(threads))


def preload(threads: int | None, words: Sequence[str] = (), more: Sequence[str] = ()) -> Preloaded | None:
    """A server for commands of these words; None where the system or the words allow none."""
    # `--typecheck` checks what is imported after it
    return Preloaded(threads, more) if sys.platform == "linux" and "--typecheck" not in words else None


def wait_until_ready(server: Preloaded, ends: Callable[[], object]) -> bool:
    """Whether the server is ready in the end; not waited for any longer once `ends` says so."""
    while not (server.ready or server.gone or ends()):
        time.sleep(PAUSE)
    return server.ready

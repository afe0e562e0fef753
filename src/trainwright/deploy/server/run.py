"""A server from its socket to its end: a port that is taken is told first, and a signal lets what was asked be answered."""

from __future__ import annotations

import asyncio
import errno
import logging
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from trainwright.config.errors import RequestError
from trainwright.deploy.server.options import ServeOptions

log = logging.getLogger(__name__)
SIGNALS = (signal.SIGINT, signal.SIGTERM)
LEAST = 16
"""Characters of a token at least."""


def bind(options: ServeOptions) -> socket.socket:
    """A socket that listens as asked; raises RequestError for a port that is taken, or an address that this machine does not have."""
    where = f"{options.host}:{options.port}"
    try:
        family = socket.getaddrinfo(options.host, options.port, type=socket.SOCK_STREAM)[0][0]
        # asyncio sends what is written at once only where a socket says that it is TCP; else an answer's second packet waits 40 ms
        made = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            made.bind((options.host, options.port))
            made.listen(2048)
        except OSError:
            made.close()
            raise
    except (OSError, UnicodeError) as error:
        raise _refusal(error, options, where) from error
    made.set_inheritable(True)
    return made


def _refusal(error: Exception, options: ServeOptions, where: str) -> RequestError:
    number = getattr(error, "errno", None)
    if number == errno.EADDRINUSE:
        why, fix = "another process listens there", f"--port {options.port + 1}, or --port 0 for any that is free"
        return RequestError(f"the port {options.port} is in use", where=where, why=why, fix=fix)
    if number == errno.EACCES:
        return RequestError(
            f"the port {options.port} may not be used", where=where, why="ports below 1024 are the system's", fix="--port 8000"
        )
    fix = "--host 127.0.0.1 for this machine alone, 0.0.0.0 for every address that it has"
    return RequestError(f"'{options.host}' is no address of this machine", where=where, why=str(error), fix=fix)


def read_token(options: ServeOptions) -> str:
    """The token that requests must send; empty where none is asked for. Raises RequestError for a file without a usable one."""
    if not options.token_file:
        return ""
    try:
        found = Path(options.token_file).read_text("utf-8").strip()
    except (OSError, UnicodeError) as error:
        raise RequestError(
            "the token cannot be read", where=f"--token-file {options.token_file}", why=str(error), fix="name a text file"
        ) from error
    if len(found) < LEAST or not found.isascii() or not found.isprintable() or " " in found:
        fix = "python -c 'import secrets; print(secrets.token_urlsafe())' makes one"
        why = f"it needs at least {LEAST} letters and digits in one line"
        raise RequestError("the token is no token", where=f"--token-file {options.token_file}", why=why, fix=fix)
    return found


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address."""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


@contextmanager
def ending_by_signals() -> Iterator[None]:
    """Leave what is inside at the first SIGINT or SIGTERM, so that what was begun is ended and removed, and go on behind it."""
    left = False

    def leave(*_: Any) -> None:
        nonlocal left
        if not left:  # a second one must not break off the removing
            left = True
            raise KeyboardInterrupt

    with handling(leave), suppress(KeyboardInterrupt):
        yield


@contextmanager
def handling(handler: Callable[..., Any]) -> Iterator[None]:
    """Let a handler have the signals that end a server; those of a thread beside the main one nobody can have."""
    main = threading.current_thread() is threading.main_thread()
    before = {each: signal.signal(each, handler) for each in SIGNALS} if main else {}
    try:
        yield
    finally:
        for each, former in before.items():
            signal.signal(each, former)


def serve(app: Any, listening: socket.socket, options: ServeOptions) -> None:
    """Answer until SIGINT or SIGTERM; then no more is taken, what was is answered, and it returns."""
    import uvicorn

    from trainwright.deploy.server.connections import limited

    class Server(uvicorn.Server):
        """One that ends by a signal as a command that is done, and not as one that was killed."""

        @contextmanager
        def capture_signals(self) -> Iterator[None]:
            with handling(self.handle_exit):
                yield

    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        lifespan="on" if options.gradio else "off",  # a page of Gradio begins its queue with the server
        ws="none",
        http=limited(options.seconds),
        timeout_graceful_shutdown=int(options.seconds) + 1,
    )
    asyncio.run(Server(config).serve(sockets=[listening]))

"""A request over HTTP as ASGI gives it: its head, its body within limits, and who asks."""

from __future__ import annotations

import asyncio
import hmac
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from functools import cached_property
from typing import Any
from urllib.parse import parse_qs

from python_multipart.multipart import parse_options_header

from trainwright.deploy.server.refusals import Refused, written

Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


SILENT = 5.0
"""Seconds without a byte after which what is left of a body is not waited for."""


class ClientGone(Exception):
    """Who asked has closed the connection; seen only inside this package."""


class Request:
    """One request."""

    def __init__(self, scope: Mapping[str, Any], receive: Receive) -> None:
        self.scope, self._receive = scope, receive
        self.path, self.method = str(scope["path"]), str(scope["method"])
        self.began = time.monotonic()
        self.unread = self.headers.get("content-length", "0") != "0" or "transfer-encoding" in self.headers
        """Whether there is more of the body."""

    async def receive(self) -> Mapping[str, Any]:
        """The next message of who asks."""
        message = await self._receive()
        self.unread = self.unread and message["type"] == "http.request" and bool(message.get("more_body", False))
        return message

    async def read_out(self, until: float) -> None:
        """Read what is left of the body and keep none of it: who sends it all first never sees an answer on a closed connection."""
        with suppress(TimeoutError):
            while self.unread:
                async with asyncio.timeout(max(min(until - time.monotonic(), SILENT), 0.001)):
                    await self.receive()

    @cached_property
    def headers(self) -> dict[str, str]:
        """Names in small letters."""
        return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in self.scope["headers"]}

    @property
    def kind(self) -> str:
        """The type of the body, without its parameters."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @property
    def charset(self) -> str:
        """How text in the body is written, as its type says; empty where it does not."""
        _, options = parse_options_header(self.headers.get("content-type", ""))
        return options.get(b"charset", b"").decode("latin-1").strip()

    def query(self, name: str) -> str:
        """What the address says after `?name=`; empty where it does not."""
        return parse_qs(str(self.scope.get("query_string", b""), "latin-1")).get(name, [""])[0]

    def size(self, most: int) -> int:
        """Bytes of the body as its head says, or all that there may be; at most `most`, as no more is read."""
        said = self.headers.get("content-length", "")
        return min(int(said), most) if said.isdigit() and len(said) < 20 else most

    async def body(self, most: int, until: float) -> bytes:
        """All of the body; raises Refused where it is larger than `most` bytes, or has not come by `until` (`time.monotonic`)."""
        said = self.headers.get("content-length", "")
        if said.isdigit() and (len(said) >= 20 or int(said) > most):
            raise _too_large(most)
        pieces, size = [], 0
        while True:
            message = await self._message(until)
            piece = message.get("body", b"")
            size += len(piece)
            if size > most:
                raise _too_large(most)
            pieces.append(piece)
            if not message.get("more_body", False):
                return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    async def _message(self, until: float) -> Mapping[str, Any]:
        try:
            async with asyncio.timeout(max(until - time.monotonic(), 0.001)):
                message = await self.receive()
        except TimeoutError:
            raise Refused(408, "the body of the request did not come", where="body", fix="send it at once") from None
        if message["type"] == "http.disconnect":
            raise ClientGone
        return message


def _too_large(most: int) -> Refused:
    fix = "send fewer rows at once"
    return Refused(413, "the body is too large", where="body", why=f"this server takes {most:,} bytes", fix=fix)


def refuse_stranger(request: Request, token: str) -> None:
    """Raise Refused with 401 for a request without the token, which is compared in constant time."""
    if not token:
        return
    kind, _, given = request.headers.get("authorization", "").partition(" ")
    if kind.lower() != "bearer" or not hmac.compare_digest(given.strip().encode(), token.encode()):
        headers = {"WWW-Authenticate": "Bearer"}
        raise Refused(401, "this server asks for a token", where="Authorization", fix="send: Authorization: Bearer TOKEN", headers=headers)


async def respond(
    send: Send, status: int, content: bytes, kind: str = "application/json", headers: Mapping[str, str] | None = None
) -> None:
    """Send a whole answer."""
    given = {"content-type": kind, "content-length": str(len(content)), **(headers or {})}
    head = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in given.items()]
    await send({"type": "http.response.start", "status": status, "headers": head})
    await send({"type": "http.response.body", "body": content})


async def respond_json(send: Send, status: int, content: Any, headers: Mapping[str, str] | None = None) -> None:
    """Send an answer in JSON."""
    await respond(send, status, written(content), headers=headers)

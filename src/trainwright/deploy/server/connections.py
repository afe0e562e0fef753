"""What a connection may take of a server: it is closed when the head of a request does not come in time."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.auto import AutoHTTPProtocol


def limited(seconds: float) -> type[asyncio.Protocol]:
    """uvicorn's protocol whose connections are closed `seconds` after they began, or were answered, without the whole head of a request.

    uvicorn closes those that are silent after an answer; one that sends half a head, or nothing at first, it would hold for ever.
    """

    class Limited(AutoHTTPProtocol):  # type: ignore[valid-type,misc]
        """One connection."""

        head_due: asyncio.TimerHandle | None = None

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self.watch()

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            self.watch()

        def on_response_complete(self) -> None:
            super().on_response_complete()
            self.watch()

        def connection_lost(self, exc: Exception | None) -> None:
            self.rest()
            super().connection_lost(exc)

        def watch(self) -> None:
            """Count from when a head is waited for, however much of it has come, until it is whole."""
            if self.cycle is not None and not self.cycle.response_complete:
                self.rest()
            elif self.head_due is None and not self.transport.is_closing():
                self.head_due = self.loop.call_later(seconds, self.transport.close)

        def rest(self) -> None:
            """Wait for no head."""
            if self.head_due is not None:
                self.head_due.cancel()
                self.head_due = None

    return Limited

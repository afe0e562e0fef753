"""The application: what each address answers. `POST /predict` is answered before the framework, which every other address goes through."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from fastapi import FastAPI
from starlette.requests import Request as PageRequest
from starlette.responses import JSONResponse, PlainTextResponse, Response

from trainwright._version import __version__
from trainwright.config.errors import FOREIGN, TrainwrightError
from trainwright.deploy.server import ludwig
from trainwright.deploy.server.answering import chosen_kind, write_answer
from trainwright.deploy.server.bodies import FORM, Body, read_body, within
from trainwright.deploy.server.explaining import explain
from trainwright.deploy.server.forms import read_form
from trainwright.deploy.server.openapi import WITHOUT_TOKEN, describe_api
from trainwright.deploy.server.page import HEADERS, PAGE, page_file
from trainwright.deploy.server.refusals import Refused, body_of, status_of
from trainwright.deploy.server.requests import ClientGone, Receive, Request, Send, refuse_stranger, respond, respond_json
from trainwright.deploy.server.service import Service

log = logging.getLogger(__name__)

OPEN = ("/", *WITHOUT_TOKEN)
"""Addresses that ask for no token: whether it is well, and the page, which asks the person for it."""
Scope = Mapping[str, Any]


class Application:
    """ASGI: counts and limits every request, and answers every error as JSON."""

    def __init__(self, service: Service, token: str = "") -> None:
        self.service, self.token = service, token
        self.framework = make_framework(service, bool(token))
        self.posts = {"/predict": self._predict, "/explain": self._explain}
        self.posts |= {"/batch_predict": self._refuse_batch} if service.options.ludwig_api else {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.framework(scope, receive, send)  # type: ignore[arg-type]
            return
        request, status = Request(scope, receive), 0

        async def noted(message: dict[str, Any]) -> None:
            nonlocal status
            status = message.get("status", status)
            await send_before_end(request, message, send, self.service.options.seconds)

        try:
            await self._answer(request, scope, request.receive, noted)
        except ClientGone:
            status = 499
        except TrainwrightError as error:
            await self._refuse(error, noted, status)
        except FOREIGN:  # a fault of ours or of a library is printed whole here, and the next request is answered
            log.exception("%s %s failed", request.method, request.path)
            if not status:
                await respond_json(noted, 500, {"error": {"what": "the server failed", "fix": "see what it has printed"}})
        self.service.counted.count_answer(known_path(request.path), status, time.monotonic() - request.began)

    async def _answer(self, request: Request, scope: Scope, receive: Receive, send: Send) -> None:
        if request.path not in OPEN and not request.path.startswith(PAGE):
            refuse_stranger(request, self.token)
        if self.service.options.ludwig_api and speaks_ludwig(request):
            await self._answer_ludwig(request, send)
        elif request.path in self.posts:
            if request.method != "POST":
                what = f"{request.method} is not answered at {request.path}"
                raise Refused(405, what, fix="use POST", headers={"Allow": "POST"})
            await self.posts[request.path](request, send)
        else:
            await self.framework(scope, receive, send)  # type: ignore[arg-type]

    async def _refuse(self, error: TrainwrightError, send: Send, status: int) -> None:
        code = status_of(error)
        if code >= 500 and not isinstance(error, Refused):
            log.error("%s", error)
        if not status:
            await respond_json(send, code, body_of(error), error.headers if isinstance(error, Refused) else None)

    async def _predict(self, request: Request, send: Send) -> None:
        service, options = self.service, self.service.options
        with service.admitted(request.size(int(options.max_bytes))):
            deadline = request.began + options.seconds
            content = await request.body(int(options.max_bytes), deadline)
            body = await read_request(request, content, service)
            answer = await service.predict(body, len(content), deadline)
            kind = chosen_kind(request.headers.get("accept", ""), request.kind)
            await respond(send, 200, write_answer(answer, kind, service.backend.digest), kind)

    async def _explain(self, request: Request, send: Send) -> None:
        service, options = self.service, self.service.options
        with service.admitted(request.size(int(options.max_bytes))):
            deadline = request.began + options.seconds
            content = await request.body(int(options.max_bytes), deadline)
            asked = await service.read(await read_request(request, content, service), len(content))
            await respond_json(send, 200, await explain(service, asked, request.query("output"), deadline))

    async def _refuse_batch(self, request: Request, send: Send) -> None:
        what = f"a body of type '{request.kind}' is not read at {request.path}"
        raise Refused(415, what, where="Content-Type", fix=f"send {' or '.join(ludwig.FORMS)}, or JSON, CSV or Arrow to /predict")

    async def _answer_ludwig(self, request: Request, send: Send) -> None:
        service, options = self.service, self.service.options
        with service.admitted(request.size(int(options.max_bytes))):
            deadline = request.began + options.seconds
            content = await request.body(int(options.max_bytes), deadline)
            parts = await ludwig.read_parts(request.headers, request.kind, content, service)
            several = request.path == "/batch_predict"
            body = within(ludwig.rows_of_dataset(parts) if several else ludwig.one_row(parts), options.max_rows)
            answer = await service.predict(body, len(content), deadline)
            rows = ludwig.in_words_of_ludwig(answer.records(), service.schema["outputs"])
            await respond_json(send, 200, ludwig.in_split_form(rows) if several else rows[0])


async def send_before_end(request: Request, message: dict[str, Any], send: Send, seconds: float) -> None:
    """Send a message; where it answers before the body is read, the rest is read out before the connection is closed."""
    if request.unread and message["type"] == "http.response.start":
        message = {**message, "headers": [*(each for each in message["headers"] if each[0] != b"connection"), (b"connection", b"close")]}
    if not request.unread or message["type"] != "http.response.body" or message.get("more_body", False):
        await send(message)
        return
    await send({**message, "more_body": True})
    await request.read_out(request.began + seconds)
    await send({"type": "http.response.body", "body": b""})


def speaks_ludwig(request: Request) -> bool:
    """Whether a request is one that `ludwig serve` answers."""
    forms = request.method == "POST" and request.kind in ludwig.FORMS
    return forms and request.path in ("/predict", "/batch_predict")


async def read_request(request: Request, content: bytes, service: Service) -> Body:
    """The rows of a request, of whatever type its body is."""
    if request.kind == FORM:
        return await read_form(request.headers, content, service)
    return read_body(content, request.kind, service.options.max_rows, request.charset)


def known_path(path: str) -> str:
    """A path as it is counted: those that nobody serves are one, or whoever asks for many would fill the memory."""
    return path if path in PATHS else "other"


POSTS = ("/predict", "/explain")
GETS = ("/", "/schema", "/model", "/health", "/ready", "/metrics", "/openapi.json")
PATHS = (*POSTS, "/batch_predict", *GETS)
Answers = Callable[[PageRequest], Awaitable[Response]]


def make_framework(service: Service, secured: bool = False) -> FastAPI:
    """FastAPI with every address but `/predict`, which is described with them."""
    app = FastAPI(title=service.backend.name, version=__version__, docs_url=None, redoc_url=None, openapi_url=None)
    app.state.service = service

    async def health(_: PageRequest) -> Response:
        return JSONResponse({"status": "ok"})

    async def ready(_: PageRequest) -> Response:
        return JSONResponse({"ready": service.ready}, 200 if service.ready else 503)

    async def metrics(_: PageRequest) -> Response:
        return PlainTextResponse(service.counted.text(), media_type="text/plain; version=0.0.4")

    async def schema(_: PageRequest) -> Response:
        return JSONResponse(service.schema)

    async def model(_: PageRequest) -> Response:
        return JSONResponse(service.backend.about())

    async def api(_: PageRequest) -> Response:
        return JSONResponse(described)

    async def page(request: PageRequest) -> Response:
        found = page_file(request.url.path)
        return await unknown(request, None) if found is None else Response(found[0], media_type=found[1], headers=HEADERS)

    async def unknown(request: PageRequest, _: Exception | None) -> Response:
        fix = f"POST {', '.join(POSTS)}, GET {', '.join(GETS)}"
        return JSONResponse({"error": {"what": f"nothing is served at {request.url.path}", "fix": fix}}, 404)

    async def other_method(request: PageRequest, error: Any) -> Response:
        allowed = error.headers or {}
        what = f"{request.method} is not answered at {request.url.path}"
        return JSONResponse({"error": {"what": what, "fix": f"use {allowed.get('Allow', 'GET')}"}}, 405, headers=allowed)

    for path, answers in {
        "/health": health, "/ready": ready, "/metrics": metrics, "/schema": schema, "/model": model, "/openapi.json": api, "/": page,
        PAGE + "{name}": page,
    }.items():  # fmt: skip
        app.add_route(path, answers, methods=["GET"])
    app.add_exception_handler(404, unknown)
    app.add_exception_handler(405, other_method)
    described = describe_api(service, secured)
    return app

"""The server's connections: an answer that comes before the body is whole is seen, and no half a head is waited for without end."""

from __future__ import annotations

import asyncio
import http.client
import json
import socket
import time

import pytest
import uvicorn
from made_models import ROW, write_model

from trainwright.deploy.host.model import open_model
from trainwright.deploy.server.app import Application
from trainwright.deploy.server.connections import limited
from trainwright.deploy.server.hosted import HostedBackend
from trainwright.deploy.server.options import ServeOptions
from trainwright.deploy.server.service import Service

HEAD = 0.4
"""Seconds for the head of a request."""


@pytest.fixture(scope="module")
def app(tmp_path_factory):
    backend = HostedBackend(open_model(write_model(tmp_path_factory.mktemp("connections") / "well.onnx")))
    service = Service(backend, ServeOptions(max_bytes=100_000))
    service.warm_up(backend.example())
    return Application(service)


def served(app, ask):
    """What `ask` of a port gives while the application is served there; it runs in another thread."""

    async def whole():
        with socket.create_server(("127.0.0.1", 0)) as listening:
            server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off", ws="none", http=limited(HEAD)))
            task = asyncio.create_task(server.serve(sockets=[listening]))
            try:
                return await asyncio.to_thread(ask, listening.getsockname()[1])
            finally:
                server.should_exit = True
                await task

    return asyncio.run(whole())


@pytest.mark.parametrize(("method", "path", "status"), [("POST", "/predict", 413), ("PUT", "/predict", 405), ("POST", "/nothing", 404)])
def test_whoever_sends_all_of_a_body_before_reading_sees_why_it_is_refused(app, method, path, status):
    def ask(port):
        asked = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        asked.request(method, path, b"x" * (20 << 20), {"Content-Type": "application/json"})
        answered = asked.getresponse()
        return answered.status, answered.headers["connection"], json.loads(answered.read())["error"]["what"]

    found = served(app, ask)
    assert found[:2] == (status, "close") and found[2]


SECOND = b"GET /health HTTP/1.1\r\nHost: a\r\n\r\nGET /hea"


@pytest.mark.parametrize("sent", [b"", b"POST /predict HTTP/1.1\r\nHo", SECOND], ids=["nothing", "half", "second"])
def test_a_connection_without_the_whole_head_of_a_request_is_closed(app, sent):
    def ask(port):
        with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
            connection.sendall(sent)
            began = time.monotonic()
            while connection.recv(1000):
                pass
            return time.monotonic() - began

    assert HEAD * 0.5 < served(app, ask) < 20


def test_a_body_may_take_longer_than_a_head(app):
    def ask(port):
        content = json.dumps({"rows": [ROW]}).encode()
        asked = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        for _ in range(2):  # the second over the same connection
            asked.putrequest("POST", "/predict")
            asked.putheader("Content-Type", "application/json")
            asked.putheader("Content-Length", str(len(content)))
            asked.endheaders(content[:10])
            time.sleep(2 * HEAD)
            asked.send(content[10:])
            answered = asked.getresponse()
            yield answered.status, json.loads(answered.read())["predictions"][0]["well_prediction"]

    assert served(app, lambda port: list(ask(port))) == [(200, "yes")] * 2

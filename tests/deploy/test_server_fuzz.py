"""Requests that nobody wrote: whatever comes, the answer is one of the documented, in JSON, without a traceback.

`FUZZ=20000 python -m pytest tests/deploy/test_server_fuzz.py` asks that often.
"""

from __future__ import annotations

import asyncio
import json
import os

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from made_models import ROW, write_model
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import response_schema_conformance, status_code_conformance

from trainwright.deploy.host.model import open_model
from trainwright.deploy.server.app import Application
from trainwright.deploy.server.hosted import HostedBackend
from trainwright.deploy.server.options import ServeOptions
from trainwright.deploy.server.service import Service

EXAMPLES = int(os.environ.get("FUZZ", "40"))
KINDS = ["application/json", "text/csv", "application/vnd.apache.arrow.stream", "application/vnd.apache.arrow.file", "multipart/form-data",
         "multipart/form-data; boundary=x", "text/plain", "", "application/json; charset=utf-16"]  # fmt: skip
QUIET = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.filter_too_much]


@pytest.fixture(scope="module")
def app(tmp_path_factory):
    backend = HostedBackend(open_model(write_model(tmp_path_factory.mktemp("fuzz") / "well.onnx")))
    service = Service(backend, ServeOptions(max_bytes=200_000, max_rows=50, seconds=20))
    service.warm_up(backend.example())
    return Application(service)


def ask(app, method, path, headers, pieces):
    """Status, headers and body, straight from the application."""
    sent, waiting = [], [*pieces]

    async def receive():
        return {"type": "http.request", "body": waiting.pop(0) if waiting else b"", "more_body": bool(waiting)}

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "method": method, "path": path, "raw_path": path.encode(), "query_string": b"", "headers": headers,
             "http_version": "1.1", "scheme": "http", "server": ("server", 80), "client": ("test", 1), "root_path": ""}  # fmt: skip
    asyncio.run(app(scope, receive, send))
    return sent[0]["status"], dict(sent[0]["headers"]), b"".join(each.get("body", b"") for each in sent[1:])


def refuse_failures(status, headers, body):
    assert status in (200, 400, 401, 404, 405, 408, 413, 415, 422, 503, 504), (status, body)
    assert b"Traceback" not in body
    if status != 200:
        error = json.loads(body)["error"]
        assert error["what"] and headers[b"content-type"] == b"application/json"


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=QUIET)
@given(
    st.sampled_from(KINDS), st.lists(st.binary(max_size=200), max_size=3), st.dictionaries(st.binary(max_size=9), st.binary(max_size=20))
)
def test_bytes_of_any_type_are_refused_and_never_a_failure(app, kind, pieces, more):
    headers = [(b"content-type", kind.encode()), *((name.lower(), each) for name, each in more.items())]
    refuse_failures(*ask(app, "POST", "/predict", headers, pieces))


ODD = [10**400, -(10**30), "\ud800", "NA", "1e999"]
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12) | st.sampled_from(ODD),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
CELLS = st.fixed_dictionaries({name: st.just(each) | JSON_VALUES for name, each in ROW.items()})


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=QUIET)
@given(st.lists(CELLS, min_size=1, max_size=4))
def test_values_of_any_kind_are_answered_or_named(app, rows):
    status, headers, body = ask(app, "POST", "/predict", [(b"content-type", b"application/json")], [json.dumps({"rows": rows}).encode()])
    refuse_failures(status, headers, body)
    found = json.loads(body)
    if status == 200:
        assert len(found["predictions"]) == len(rows)
    elif status == 422:
        assert found["error"]["column"] in ROW and 1 <= found["error"]["row"] <= len(rows)


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=QUIET)
@given(JSON_VALUES | st.fixed_dictionaries({"rows": JSON_VALUES}) | st.fixed_dictionaries({"columns": JSON_VALUES}))
def test_json_of_any_form_is_answered_or_refused(app, content):
    refuse_failures(*ask(app, "POST", "/predict", [(b"content-type", b"application/json")], [json.dumps(content).encode()]))


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=QUIET)
@given(st.lists(st.text(st.characters(codec="utf-8"), max_size=8), min_size=6, max_size=30))
def test_text_in_columns_is_answered_or_refused(app, cells):
    text = "age,job,smoker,since,tags,place\n" + "\n".join(",".join(cells[at : at + 6]) for at in range(0, len(cells), 6))
    refuse_failures(*ask(app, "POST", "/predict", [(b"content-type", b"text/csv")], [text.encode()]))


@settings(max_examples=max(EXAMPLES // 3, 10), deadline=None, suppress_health_check=QUIET)
@given(st.data())
def test_what_openapi_describes_is_what_is_answered(app, data):
    described = schemathesis.openapi.from_asgi("/openapi.json", app)
    operations = [each.ok() for each in described.get_all_operations()]
    operation = data.draw(st.sampled_from([each for each in operations if each.path == "/predict"] * 6 + operations))
    case = data.draw(operation.as_strategy())
    response = case.call()
    case.validate_response(response, checks=[not_a_server_error, status_code_conformance, response_schema_conformance])

"""The server in its process: what each request is answered with, its limits, and who may ask."""

from __future__ import annotations

import asyncio
import io
import json
import socket

import httpx
import numpy as np
import pyarrow as pa
import pytest
from made_models import ROW, write_model

from trainwright.config.errors import RequestError
from trainwright.deploy.host.description import Column
from trainwright.deploy.host.model import open_model
from trainwright.deploy.host.values import DateReader, NumberReader
from trainwright.deploy.server.app import Application
from trainwright.deploy.server.hosted import HostedBackend, describe_column
from trainwright.deploy.server.options import ServeOptions
from trainwright.deploy.server.run import bind, read_token
from trainwright.deploy.server.service import Service

JSON = {"content-type": "application/json"}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return open_model(write_model(tmp_path_factory.mktemp("server") / "well.onnx"))


def application(model, token="", **options):
    backend = HostedBackend(model)
    service = Service(backend, ServeOptions(**options))
    service.warm_up(backend.example())
    return Application(service, token)


@pytest.fixture(scope="module")
def app(model):
    return application(model)


def send(app, method, path, **request):
    async def one():
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://server") as client:
            return await client.request(method, path, **request)

    return asyncio.run(one())


def post(app, content, kind="application/json", **headers):
    content = json.dumps(content) if isinstance(content, dict | list) else content
    return send(app, "POST", "/predict", content=content, headers={"content-type": kind, **headers})


def test_rows_and_columns_of_json_are_answered_alike(app, model):
    expected = model.predict(pa.Table.from_pylist([ROW, {**ROW, "age": 10.0}])).to_pylist()
    rows = post(app, {"rows": [ROW, {**ROW, "age": 10.0}]})
    columns = post(app, {"columns": {name: [each, 10.0 if name == "age" else each] for name, each in ROW.items()}})
    assert rows.status_code == columns.status_code == 200
    assert rows.json() == columns.json() == {"predictions": expected, "model": "sha256:made", "notes": {}}
    assert post(app, {"rows": ROW}).json()["predictions"] == expected[:1]


def test_csv_and_arrow_are_answered_as_they_come_unless_another_form_is_accepted(app, model):
    expected = model.predict(pa.Table.from_pylist([ROW]))
    text = "age,job,smoker,since,tags,place\r\n40,nurse,yes,2024-05-31,a|b,1 2.5\r\n"
    answered = post(app, text, "text/csv; charset=utf-8")
    assert answered.headers["content-type"] == "text/csv" and answered.text.splitlines()[1].startswith('"yes",0.48')
    assert post(app, text, "text/csv", accept="application/json").json()["predictions"] == expected.to_pylist()
    for kind, new, read in (("stream", pa.ipc.new_stream, pa.ipc.open_stream), ("file", pa.ipc.new_file, pa.ipc.open_file)):
        buffer, table = io.BytesIO(), pa.Table.from_pylist([ROW])
        with new(buffer, table.schema) as writer:
            writer.write_table(table)
        answered = post(app, buffer.getvalue(), f"application/vnd.apache.arrow.{kind}")
        assert read(answered.content).read_all().equals(expected)


def test_text_is_read_by_its_charset_and_with_a_mark_of_its_bytes(app):
    text = "age,job,smoker,since,tags,place\r\n40,nürse,yes,2024-05-31,a|b,1 2.5\r\n"
    expected = post(app, text, "text/csv").text
    for kind, codec in (("iso-8859-1", "latin-1"), ("utf-8", "utf-8-sig"), ("UTF-16", "utf-16")):
        assert post(app, text.encode(codec), f"text/csv; charset={kind}").text == expected
    rows = {"rows": [ROW]}
    assert post(app, b"\xef\xbb\xbf" + json.dumps(rows).encode()).json() == post(app, rows).json()


def test_the_part_rows_may_be_what_a_body_of_json_is(app):
    expected = post(app, {"rows": [ROW]}).json()
    for given in ({"rows": [ROW]}, {"columns": {name: [each] for name, each in ROW.items()}}, ROW):
        assert send(app, "POST", "/predict", files={"rows": (None, json.dumps(given))}).json() == expected


def test_a_form_that_is_none_is_answered_and_not_told_on_the_console(app, caplog):
    with caplog.at_level("WARNING"):
        refused = post(app, b"--x", "multipart/form-data; boundary=b")
    assert refused.status_code == 400 and not caplog.records


def test_a_form_of_too_many_parts_is_told_the_limit(app):
    refused = send(app, "POST", "/predict", files=[("age", ("a", b"1"))] * 1001)
    assert refused.status_code == 413 and "1,000 files" in refused.json()["error"]["why"]
    assert app.service.schema["limits"]["parts"] == 1000


def test_a_form_has_rows_in_json_or_a_part_for_each_column(app, model):
    expected = model.predict(pa.Table.from_pylist([ROW])).to_pylist()
    whole = send(app, "POST", "/predict", files={"rows": (None, json.dumps([ROW]))})
    assert whole.status_code == 200 and whole.json()["predictions"] == expected
    parts = {"age": "40", "job": "nurse", "smoker": "true", "since": "2024-05-31", "tags": "a|b", "place": "1 2.5"}
    apart = send(app, "POST", "/predict", files={name: (None, each) for name, each in parts.items()})
    assert apart.json()["predictions"] == expected


@pytest.mark.parametrize(
    ("content", "kind", "status", "said"),
    [
        ("{", "application/json", 400, "the body is not JSON"),
        (b"\xff", "application/json", 400, "byte 0 is not UTF-8"),
        ('{"rows": [{"age": NaN}]}', "application/json", 400, "JSON has no NaN"),
        ("[" * 100_000, "application/json", 400, "it is nested too deeply"),
        ('{"rows": ' + "9" * 5000 + "}", "application/json", 400, "the body is not JSON"),
        ("[]", "application/json", 422, "the body is a list"),
        ("{}", "application/json", 422, "the body is an object without an entry"),
        ('{"age": 3}', "application/json", 422, "an object with 'age'"),
        ('{"rows": []}', "application/json", 422, "there are no rows"),
        ('{"rows": 3}', "application/json", 422, "`rows` is a number"),
        ('{"rows": [3]}', "application/json", 422, "row 1 is a number"),
        ('{"rows": [{}]}', "application/json", 422, "columns 'age', 'job', 'smoker', 'since', 'tags', 'place' are missing"),
        ('{"columns": {"age": [1], "job": []}}', "application/json", 422, "columns of different lengths"),
        ('{"columns": {"age": 1}}', "application/json", 422, "column 'age' is a number"),
        ('{"columns": {}}', "application/json", 422, "there are no rows"),
        ('{"rows": [{"age": 1, "age": 2}]}', "application/json", 422, "the key 'age' is there twice"),
        ("", "text/csv", 400, "the body is not CSV"),
        ("40,nurse,yes\n", "text/csv", 422, "the first line names the columns, here '40', 'nurse', 'yes'"),
        ("töne\n1\n".encode("latin-1"), "text/csv", 400, "byte 1 is not UTF-8"),
        ("age\n1\n", "text/csv; charset=rot13", 415, "a body in 'rot13' is not read"),
        ("age,age\n1,2\n", "text/csv", 422, "'age' is there twice"),
        ("age,job\n1\n", "text/csv", 400, "the body is not CSV"),
        (b"\0\1\2", "application/vnd.apache.arrow.stream", 400, "the body is not Arrow"),
        ("x", "multipart/form-data", 400, "the body is not a form"),
        ("x", "application/x-pickle", 415, "a body of type 'application/x-pickle' is not read"),
        ("x", "", 415, "the body has no Content-Type"),
    ],
)
def test_a_body_that_cannot_be_read_is_told_and_never_a_failure_of_the_server(app, content, kind, status, said):
    answered = post(app, content, kind)
    assert answered.status_code == status
    error = answered.json()["error"]
    assert said in f"{error['what']} {error.get('why', '')}" and error["fix"]


def test_every_faulty_value_is_named_by_column_and_row(app):
    answered = post(app, {"rows": [{**ROW, "age": "x"}, {**ROW, "since": "soon"}]}).json()
    assert [(each["column"], each["row"], each["what"]) for each in answered["errors"]] == [
        ("age", 1, "'x' is not a number"),
        ("since", 2, "'soon' is not a date"),
    ]
    assert answered["error"] == answered["errors"][0] and answered["count"] == 2


def test_rows_that_lack_a_column_which_others_have_are_refused(app):
    error = post(app, {"rows": [ROW, {"age": 3}]}).json()["error"]
    assert error["what"] == "row 2 has no 'job'"


def test_limits_on_bytes_and_rows_are_kept(model):
    app = application(model, max_rows=2, max_bytes=2000)
    assert post(app, {"rows": [ROW] * 3}).status_code == 413
    assert post(app, {"rows": [ROW] * 2}).status_code == 200
    large = post(app, {"rows": [{**ROW, "job": "x" * 3000}]})
    assert large.status_code == 413 and "2,000 bytes" in large.json()["error"]["why"]


def test_more_requests_than_may_wait_are_told_to_come_again(model):
    app = application(model, max_waiting=2, wait=0.05)

    async def several():
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://server") as client:
            asked = [client.post("/predict", content=json.dumps({"rows": [ROW]}), headers=JSON) for _ in range(5)]
            return await asyncio.gather(*asked)

    found = asyncio.run(several())
    assert sorted(each.status_code for each in found) == [200, 200, 503, 503, 503]
    assert all(each.headers["retry-after"] == "1" for each in found if each.status_code == 503)


def test_bytes_that_are_held_together_are_bounded(model):
    app = application(model, max_bytes=2000, wait=0.05)
    content = json.dumps({"rows": [{**ROW, "job": "x" * 1500}]})

    async def several():
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://server") as client:
            return await asyncio.gather(*(client.post("/predict", content=content, headers=JSON) for _ in range(30)))

    found = [each.status_code for each in asyncio.run(several())]
    assert set(found) == {200, 503} and found.count(200) == 16 * 2000 // len(content)


def test_a_value_beyond_what_the_model_computes_with_is_named(app):
    told = post(app, {"rows": [ROW, {**ROW, "age": 1e300}]})
    assert told.status_code == 422 and (told.json()["error"]["column"], told.json()["error"]["row"]) == ("age", 2)


def test_a_request_is_not_computed_after_its_deadline(model):
    app = application(model, seconds=0.01, wait=0.1)
    answered = post(app, {"rows": [ROW]})
    assert answered.status_code == 504 and app.service.counted.rows == 0


def test_requests_that_wait_together_are_computed_together_and_each_gets_its_own(model):
    app = application(model, wait=0.02)
    ages = [float(each) for each in range(20)]

    async def several():
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://server") as client:
            lists = [["a"] * (1 + int(age) % 3) for age in ages]
            rows = [{"rows": [{**ROW, "age": age, "tags": tags}]} for age, tags in zip(ages, lists, strict=True)]
            asked = [client.post("/predict", content=json.dumps(each), headers=JSON) for each in rows]
            return await asyncio.gather(*asked)

    found = [each.json()["predictions"][0]["well_probability_yes"] for each in asyncio.run(several())]
    assert app.service.counted.batches == 1 and app.service.counted.batched == 20
    np.testing.assert_allclose(found, [age / 100 + 0.1 + (1 + int(age) % 3) / 100 for age in ages], atol=1e-6)


def test_ranges_of_a_whole_batch_keep_requests_apart(tmp_path):
    app = application(open_model(write_model(tmp_path / "m.onnx", int8={"mode": "dynamic", "answers_depend_on_batch": True})), wait=0.02)

    async def several():
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://server") as client:
            await asyncio.gather(*(client.post("/predict", content=json.dumps({"rows": [ROW]}), headers=JSON) for _ in range(3)))

    asyncio.run(several())
    assert app.service.counted.batches == 3


def test_a_token_is_asked_for_where_there_is_one(model):
    app = application(model, token="a-token-of-some-length")
    for given in ({}, {"authorization": "Bearer other"}, {"authorization": "a-token-of-some-length"}, {"authorization": "Bearer ä"}):
        refused = send(app, "GET", "/schema", headers={name: each.encode() for name, each in given.items()})
        assert refused.status_code == 401 and refused.headers["www-authenticate"] == "Bearer"
    asked = {"authorization": "Bearer a-token-of-some-length"}
    assert send(app, "GET", "/schema", headers=asked).status_code == 200
    assert post(app, {"rows": [ROW]}, **asked).status_code == 200
    assert send(app, "GET", "/health").status_code == send(app, "GET", "/ready").status_code == 200


def test_other_addresses_and_methods_are_told(app):
    assert send(app, "GET", "/predict").status_code == 405 and send(app, "GET", "/predict").headers["allow"] == "POST"
    assert send(app, "POST", "/health").status_code == 405
    assert send(app, "GET", "/explain").status_code == 405 and send(app, "PUT", "/explain").headers["allow"] == "POST"
    nothing = send(app, "GET", "/admin")
    assert nothing.status_code == 404 and "POST /predict, /explain, GET /, /schema" in nothing.json()["error"]["fix"]


def test_what_was_answered_is_counted_for_prometheus(model):
    app = application(model)
    post(app, {"rows": [ROW, ROW]})
    post(app, "{")
    send(app, "GET", "/nothing")
    lines = send(app, "GET", "/metrics").text.splitlines()
    assert {
        'trainwright_requests_total{path="/predict",status="200"} 1',
        'trainwright_requests_total{path="/predict",status="400"} 1',
        'trainwright_requests_total{path="other",status="404"} 1',
        "trainwright_rows_total 2",
        "trainwright_errors_total 2",
        'trainwright_predict_seconds_bucket{le="+Inf"} 2',
        "trainwright_predict_seconds_count 2",
    } <= set(lines)


def test_schema_and_openapi_name_the_columns_and_what_is_answered(app):
    schema = send(app, "GET", "/schema").json()
    assert [each["name"] for each in schema["inputs"]] == list(ROW) and schema["inputs"][1]["values"] == ["clerk", "nurse", "pilot"]
    assert all(each["required"] is True and each["nullable"] is True for each in schema["inputs"])
    assert post(app, {"rows": [dict(list(ROW.items())[1:])]}).status_code == 422
    assert schema["outputs"][0]["columns"]["probability"] == {"no": "well_probability_no", "yes": "well_probability_yes"}
    described = send(app, "GET", "/openapi.json").json()
    assert set(described["paths"]) == {"/predict", "/explain", "/health", "/ready", "/schema", "/model", "/metrics"}


def test_openapi_says_whether_a_token_is_asked_for(app, model):
    token = "0123456789abcdef"
    secured = application(model, token=token)
    described = send(secured, "GET", "/openapi.json", headers={"authorization": f"Bearer {token}"}).json()
    assert described["security"] == [{"token": []}] and described["components"]["securitySchemes"]["token"]["scheme"] == "bearer"
    assert described["paths"]["/health"]["get"]["security"] == [] and "security" not in described["paths"]["/predict"]["post"]
    assert "security" not in send(app, "GET", "/openapi.json").json()


def test_a_range_that_begins_at_zero_is_in_the_schema():
    found = describe_column(NumberReader(Column("age", "number", {"low": 0, "high": 9, "typical": 1})))
    assert (found["low"], found["high"]) == (0, 9) and "formats" not in found
    assert describe_column(DateReader(Column("day", "date", {"times": False})))["times"] is False


@pytest.mark.parametrize("given", ["1e999", 10**400, "-1e999"], ids=["text", "digits", "below"])
def test_a_number_that_64_bits_cannot_hold_is_named_as_it_was_sent(app, given):
    what = post(app, {"rows": [{**ROW, "age": given}]}).json()["error"]["what"]
    assert what.endswith("is infinite as a number of 64 bits") and what.startswith(repr(given)[:70])
    listed = post(app, {"rows": [{**ROW, "place": [1, given]}]}).json()["error"]["what"]
    assert listed.endswith("is infinite as a number of 64 bits") and listed.startswith(repr(given)[:70])


def test_answers_are_sent_at_once():
    with bind(ServeOptions(port=0)) as listening, socket.create_connection(listening.getsockname()):
        accepted, _ = listening.accept()
        with accepted:
            assert accepted.proto == socket.IPPROTO_TCP, "asyncio turns the delay of small packets off for these alone"


def test_a_port_that_is_taken_and_an_address_of_another_machine_are_told():
    with bind(ServeOptions(port=0)) as first:
        with pytest.raises(RequestError, match="is in use") as caught:
            bind(ServeOptions(port=first.getsockname()[1]))
        assert "--port" in caught.value.fix
    with pytest.raises(RequestError, match="no address of this machine"):
        bind(ServeOptions(host="203.0.113.7", port=0))


def test_a_token_that_is_short_or_not_there_is_told(tmp_path):
    with pytest.raises(RequestError, match="the token cannot be read"):
        read_token(ServeOptions(token_file=str(tmp_path / "none")))
    (tmp_path / "short").write_text("abc\n")
    with pytest.raises(RequestError, match="the token is no token"):
        read_token(ServeOptions(token_file=str(tmp_path / "short")))

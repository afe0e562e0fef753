"""The page's files, and `POST /explain`, in the server's process: a model whose shares can be computed in the head."""

from __future__ import annotations

import asyncio
import json
import re

import httpx
import pytest
from made_models import ROW, write_model

from trainwright.deploy.host.model import open_model
from trainwright.deploy.server.app import Application
from trainwright.deploy.server.gradio_page import answer_with
from trainwright.deploy.server.hosted import HostedBackend
from trainwright.deploy.server.options import ServeOptions
from trainwright.deploy.server.page import FILES
from trainwright.deploy.server.service import Service

JSON = {"content-type": "application/json"}


def application(path, token="", **options):
    backend = HostedBackend(open_model(path))
    service = Service(backend, ServeOptions(**options))
    service.warm_up(backend.example())
    return Application(service, token)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return write_model(tmp_path_factory.mktemp("page") / "well.onnx")


@pytest.fixture(scope="module")
def app(model):
    return application(model)


def send(app, method, path, **request):
    async def one():
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://server") as client:
            return await client.request(method, path, **request)

    return asyncio.run(one())


def explain(app, rows, query=""):
    return send(app, "POST", f"/explain{query}", content=json.dumps({"rows": rows}), headers=JSON)


def test_the_page_and_every_file_it_names_are_served_and_nothing_of_elsewhere_is_named(app):
    page = send(app, "GET", "/")
    assert page.status_code == 200 and page.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "unsafe" not in page.headers["content-security-policy"]
    named = set(re.findall(r'(?:src|href)="(page/[^"]+)"', page.text))
    for name in FILES:
        found = send(app, "GET", f"/page/{name}")
        assert found.status_code == 200 and found.content
        assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", found.text), name
        named |= {f"page/{each}" for each in re.findall(r'from "\./([^"]+)"', found.text)}
    assert named == {f"page/{name}" for name in FILES}


@pytest.mark.parametrize("path", ["/page/../app.py", "/page/%2e%2e/app.py", "/page/__init__.py", "/page/", "/page/none.js"])
def test_no_other_file_is_served_below_the_page(app, path):
    found = send(app, "GET", path)
    assert found.status_code == 404 and "nothing is served" in found.json()["error"]["what"]


def test_the_page_is_open_where_a_token_is_asked_for_and_the_model_is_not(model):
    app = application(model, "a-token-of-the-tests")
    assert send(app, "GET", "/").status_code == send(app, "GET", "/page/start.js").status_code == 200
    assert send(app, "GET", "/schema").status_code == explain(app, [ROW]).status_code == 401


def test_a_share_is_the_answer_less_that_with_the_column_as_is_typical(app):
    row = ROW | {"age": 60.0, "job": "pilot", "tags": None}
    found = explain(app, [row]).json()
    shares = {each["name"]: each["share"] for each in found["columns"]}
    assert (found["target"], found["class"], found["probability"]) == ("well", "yes", True)
    assert found["value"] == pytest.approx(0.6 + 0.2 + 0.0, abs=0.011)  # no tags: their length counts
    assert shares == pytest.approx({"age": 0.2, "job": 0.1, "smoker": 0.0, "since": 0.0, "tags": 0.0, "place": 0.0}, abs=1e-6)
    assert {each["name"]: each["typical"] for each in found["columns"]}["job"] == "nurse"


def test_of_a_row_that_is_called_no_the_probability_of_no_is_explained(app):
    found = explain(app, [ROW | {"age": 10.0}]).json()
    shares = {each["name"]: each["share"] for each in found["columns"]}
    assert found["class"] == "no"
    assert shares["age"] == pytest.approx(0.3, abs=1e-6)


def test_a_share_is_that_which_predict_gives_for_both_rows(app):
    row = ROW | {"age": 71.5, "job": "clerk"}
    found = explain(app, [row]).json()
    rows = [row, *(row | {each["name"]: each["typical"]} for each in found["columns"])]
    answered = send(app, "POST", "/predict", content=json.dumps({"rows": rows}), headers=JSON).json()["predictions"]
    values = [each["well_probability_yes"] for each in answered]
    assert [each["share"] for each in found["columns"]] == pytest.approx([values[0] - each for each in values[1:]], abs=1e-7)


@pytest.mark.parametrize(
    ("rows", "query", "status", "said"),
    [
        ([ROW, ROW], "", 422, "2 rows were given"),
        ([ROW], "?output=wel", 422, "did you mean 'well'"),
        ([ROW | {"age": "a few"}], "", 422, "a few"),
        ([], "", 422, "no rows"),
    ],
)
def test_a_question_that_cannot_be_explained_is_refused_in_words(app, rows, query, status, said):
    found = explain(app, rows, query)
    assert found.status_code == status
    assert said in json.dumps(found.json(), ensure_ascii=False)


def test_a_row_that_a_policy_leaves_out_has_no_explanation(tmp_path):
    app = application(write_model(tmp_path / "drops.onnx", {"age": {"policy": "drop"}}))
    assert "no answer" in explain(app, [ROW | {"age": None}]).json()["error"]["what"]


def test_a_column_that_must_be_given_and_has_no_typical_value_is_not_compared(tmp_path):
    app = application(
        write_model(tmp_path / "asks.onnx", {"since": {"policy": "error", "typical": "01.02.2024"}, "place": {"policy": "error"}})
    )
    found = explain(app, [ROW]).json()
    assert "place" not in [each["name"] for each in found["columns"]]
    assert found["notes"] == ["Not compared: place."]


def test_what_gradio_calls_answers_as_the_server_does(app):
    row = {**ROW, "age": 60.0}
    ask = answer_with(app.service)
    order = [each["name"] for each in app.service.schema["inputs"]]
    found = asyncio.run(ask(*(row[name] for name in order)))
    assert found == pytest.approx({"no": 1 - 0.72, "yes": 0.72}, abs=1e-6)

"""Clients that were written for `ludwig serve`."""

from __future__ import annotations

import json

import pandas as pd
import pytest
from made_models import ROW, write_model
from test_server import application, send

from trainwright.deploy.host.model import open_model

FIELDS = {"age": "40", "job": "nurse", "smoker": "true", "since": "2024-05-31", "tags": "a|b", "place": "1 2.5"}


@pytest.fixture(scope="module")
def app(tmp_path_factory):
    return application(open_model(write_model(tmp_path_factory.mktemp("ludwig") / "well.onnx")), ludwig_api=True)


@pytest.mark.parametrize("sent", ["data", "files"])
def test_a_form_of_one_row_is_answered_in_its_words(app, sent):
    fields = FIELDS if sent == "data" else {name: (None, each) for name, each in FIELDS.items()}
    answer = send(app, "POST", "/predict", **{sent: fields}).json()
    assert answer["well_predictions"] == "yes" and answer["well_probability"] == pytest.approx(0.52, abs=1e-6)
    assert answer["well_probabilities"] == [answer["well_probabilities_no"], answer["well_probabilities_yes"]]


def test_a_data_set_in_split_form_is_answered_in_it(app):
    frame = pd.DataFrame([{**FIELDS, "age": 40.0}, {**FIELDS, "age": 10.0}])
    answer = send(app, "POST", "/batch_predict", data={"dataset": frame.to_json(orient="split")}).json()
    found = pd.DataFrame(answer["data"], columns=answer["columns"], index=answer["index"])
    assert found["well_predictions"].tolist() == ["yes", "no"]


@pytest.mark.parametrize(
    ("path", "fields", "status", "said"),
    [
        ("/predict", {"age": "40"}, 422, "are missing"),
        ("/predict", {**FIELDS, "age": ["1", "2"]}, 422, "the field 'age' is there 2 times"),
        ("/predict", {**FIELDS, "age": "x"}, 422, "'x' is not a number"),
        ("/batch_predict", {"data": "x"}, 422, "there is no field `dataset`"),
        ("/batch_predict", {"dataset": "x"}, 400, "the body is not JSON"),
        ("/batch_predict", {"dataset": "[]"}, 422, "has no `columns` and `data`"),
        ("/batch_predict", {"dataset": '{"columns": ["age"], "data": [[1, 2]]}'}, 422, "row 1 has not 1 values"),
        ("/batch_predict", {"dataset": '{"columns": ["age"], "data": []}'}, 422, "there are no rows"),
    ],
)
def test_a_form_that_cannot_be_read_is_told(app, path, fields, status, said):
    answered = send(app, "POST", path, data=fields)
    assert answered.status_code == status and said in answered.json()["error"]["what"]


def test_json_is_answered_as_without_it_and_its_forms_are_not_known_otherwise(app, tmp_path):
    rows = json.dumps({"rows": [ROW]})
    assert "predictions" in send(app, "POST", "/predict", content=rows, headers={"content-type": "application/json"}).json()
    other = send(app, "POST", "/batch_predict", content=rows, headers={"content-type": "application/json"})
    assert other.status_code == 415 and "to /predict" in other.json()["error"]["fix"]
    assert send(app, "GET", "/batch_predict").status_code == 405
    plain = application(open_model(write_model(tmp_path / "well.onnx")))
    assert send(plain, "POST", "/batch_predict", data={"dataset": "{}"}).status_code == 404

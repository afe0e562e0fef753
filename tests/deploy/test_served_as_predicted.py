"""What a served run answers is what `predict` gives: the exported file, by the server's way from bytes to bytes."""

from __future__ import annotations

import io
import json

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pytest
from shipped_guests import guests
from test_server import application, post

from trainwright.deploy.host.model import open_model

MORE = {"age": [None, 1e9, -5.0], "fare": [0.0, 3.5, 1.0], "member": ["yes", "YES", None], "port": ["köln", "Köln", "Atlantis"],
        "likes": ["sea|snow", None, "sun"], "since": ["2021-02-28", None, "2012-12-31"]}  # fmt: skip


@pytest.fixture(scope="module")
def rows():
    given = guests(40, seed=5)
    return [dict(zip(MORE, values, strict=True)) for values in zip(*([*given[name], *more] for name, more in MORE.items()), strict=True)]


@pytest.fixture(scope="module")
def app(shipped):
    return application(open_model(shipped.file))


def refuse_differences(found, expected):
    assert [list(each) for each in found] == [list(each) for each in expected]
    for row, wanted in zip(found, expected, strict=True):
        for name, each in wanted.items():
            if isinstance(each, float):
                np.testing.assert_allclose(row[name], each, rtol=1e-5, atol=1e-6, err_msg=name)
            else:
                assert row[name] == each, name


def test_rows_of_json_arrow_and_csv_are_answered_as_the_run_predicts_them(app, shipped, rows):
    expected = shipped.run.predict(rows)
    answered = post(app, {"rows": rows})
    assert answered.status_code == 200, answered.text
    refuse_differences(answered.json()["predictions"], expected)
    assert answered.json()["notes"]["columns"]["port"]["unknown"] == 1
    table, arrow, text = pa.Table.from_pylist(rows), io.BytesIO(), io.BytesIO()
    with pa.ipc.new_stream(arrow, table.schema) as writer:
        writer.write_table(table)
    pyarrow.csv.write_csv(table, text)
    for content, kind in ((arrow, "application/vnd.apache.arrow.stream"), (text, "text/csv")):
        refuse_differences(post(app, content.getvalue(), kind, accept="application/json").json()["predictions"], expected)


def test_a_row_alone_is_answered_as_among_others(app, rows):
    together = post(app, {"rows": rows}).json()["predictions"]
    alone = [post(app, {"rows": [row]}).json()["predictions"][0] for row in rows]
    refuse_differences(alone, together)


def test_the_words_of_training_and_usual_values_are_in_the_schema(app):
    described = {each["name"]: each for each in app.service.schema["inputs"]}
    assert described["port"]["values"] == ["Bari", "Köln", "Split"] and described["age"]["typical"] == pytest.approx(40, abs=3)
    assert json.loads(json.dumps(app.service.schema))["outputs"][0]["classes"] == ["long", "short"]

"""The host's end of an exported model: values as they come → arrays, each fault with its place."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pyarrow as pa
import pytest
from made_models import ROW, write_model

from trainwright.config.errors import RunError
from trainwright.deploy.host.faults import FaultyRows
from trainwright.deploy.host.model import open_model


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return open_model(write_model(tmp_path_factory.mktemp("host") / "well.onnx"))


def read(model, **changed):
    row = {**ROW, **changed}
    return model.reader.read_json({name: [each] for name, each in row.items()}, 1)


def test_a_row_gives_the_prediction_of_the_graph(model):
    answer = model.predict(pa.Table.from_pylist([ROW])).to_pylist()[0]
    assert answer["well_prediction"] == "yes" and answer["well_probability_yes"] == pytest.approx(0.52, abs=1e-6)
    assert list(answer) == ["well_prediction", "well_probability_no", "well_probability_yes"]


def test_rows_of_json_and_of_a_table_are_read_alike(model):
    typed = model.read(pa.Table.from_pylist([ROW, {**ROW, "job": None}])).raw
    for _ in range(2):  # the second time values are looked up
        found = model.reader.read_json({name: [each, None if name == "job" else each] for name, each in ROW.items()}, 2).raw
        assert found.keys() == typed.keys()
        for name, each in typed.items():
            np.testing.assert_array_equal(found[name], each, err_msg=name)
            assert found[name].dtype == each.dtype


@pytest.mark.parametrize(
    ("column", "given", "expected"),
    [
        ("age", 3, 3.0),
        ("age", " 1.5 ", 1.5),
        ("age", None, np.nan),
        ("age", "", np.nan),
        ("age", "NA", np.nan),
        ("age", True, 1.0),
        ("age", 10**30, 1e30),
        ("job", "pilot", 2),
        ("job", "Pilot", -2),
        ("job", 7, -2),
        ("job", "null", -1),
        ("smoker", "YES", 1),
        ("smoker", 0, 0),
        ("smoker", False, 0),
        ("smoker", "TRUE", 1),
        ("smoker", "maybe", -2),
        ("since", "31.05.2024", 1717113600000000),
        ("since", "2024-05-31T00:00:01", 1717113601000000),
        ("since", None, -(1 << 63)),
    ],
)
def test_a_value_is_read_as_training_reads_it(model, column, given, expected):
    for _ in range(2):
        asked = read(model, **{column: given})
        assert not asked.faults
        np.testing.assert_array_equal(asked.raw[column], np.array([expected]))


@pytest.mark.parametrize(
    ("given", "words", "length"),
    [(["a", "c"], [1, 3], 2), ("a|b", [1, 2], 2), ([], [0], 0), (["zz"], [0], 1), ([3, True], [0, 0], 2), (None, [0], -1), ("", [0], -1)],
)
def test_words_become_their_indices(model, given, words, length):
    asked = read(model, tags=given)
    assert asked.raw["tags"].tolist() == [words] and asked.raw["tags.length"].tolist() == [length]


@pytest.mark.parametrize(
    ("column", "given", "said"),
    [
        ("age", "1,5", "'1,5' is not a number"),
        ("age", "much", "'much' is not a number"),
        ("age", [1], "[1] is not a number"),
        ("age", {"a": 1}, "{'a': 1} is not a number"),
        ("age", 1e999, "inf is infinite"),
        ("age", 10**400, "is infinite"),
        ("job", ["nurse"], "['nurse'] is not one word"),
        ("job", "\ud800", "is no text in Unicode"),
        ("since", "2024-02-31", "'2024-02-31' is not a date"),
        ("since", True, "'true' is not a date"),
        ("tags", [["a"]], "[['a']] is not a list of words"),
        ("tags", {"a": 1}, "is not a list of words"),
        ("place", [1], "1 numbers"),
        ("place", [1, "x"], "'x' in the list is not a number"),
        ("place", [1, 1e999], "inf is infinite"),
        ("place", 3, "3 is not a list of numbers"),
    ],
)
def test_a_value_that_cannot_be_read_is_told_with_its_place_and_leaves_its_row_out(model, column, given, said):
    columns = {name: [each, given if name == column else each] for name, each in ROW.items()}
    asked = model.reader.read_json(columns, 2)
    assert [each.row for each in asked.faults] == [1] and asked.faults[0].column == column
    assert said in asked.faults[0].what and asked.faults[0].fix.startswith("send ")
    assert asked.places.tolist() == [0] and len(asked.raw["age"]) == 1


def test_no_value_depends_on_its_neighbours(model):
    strange = ["x", ["nurse"], None, 3, True, "pilot", {"a": 1}, "\ud800", 1.5]
    alone = [read(model, job=each) for each in strange]
    columns = {name: [each] * len(strange) for name, each in ROW.items()} | {"job": strange}
    together = model.reader.read_json(columns, len(strange))
    assert sorted(each.row for each in together.faults) == [at for at, each in enumerate(alone) if each.faults]
    found = dict(zip(together.places.tolist(), together.raw["job"].tolist(), strict=True))
    assert found == {at: each.raw["job"][0] for at, each in enumerate(alone) if not each.faults}


def test_missing_columns_are_named_with_the_nearest_that_were_sent(model):
    with pytest.raises(FaultyRows, match="the columns 'age', 'job' are missing") as caught:
        model.read(pa.table({"Age": [1.0], **{name: [each] for name, each in ROW.items() if name not in ("age", "job")}}))
    assert "did you mean 'Age'" in caught.value.fix


def test_what_was_missing_unknown_and_ignored_is_counted(model):
    asked = model.reader.read_json({**{name: [each] for name, each in ROW.items()}, "age": [None], "job": ["king"], "colour": ["red"]}, 1)
    assert asked.notes == {"columns": {"age": {"missing": 1}, "job": {"unknown": 1}}, "ignored": ["colour"]}


def test_policies_of_training_decide_on_missing_values(tmp_path):
    model = open_model(write_model(tmp_path / "m.onnx", {"age": {"policy": "drop"}, "job": {"policy": "error"}}))
    rows = pa.Table.from_pylist([{**ROW, "age": None}, ROW])
    assert model.predict(rows)["well_prediction"].to_pylist() == [None, "yes"]
    with pytest.raises(FaultyRows, match="the value is missing"):
        model.predict(pa.Table.from_pylist([{**ROW, "job": None}]))


def test_rows_in_text_are_read_by_the_words_of_training(model):
    texts = pa.table({"age": ["40", ""], "job": ["nurse", "NA"], "smoker": ["true"] * 2, "since": ["31.05.2024"] * 2, "tags": ["a|b", ""],
                      "place": ["1 2", "[1, 2]"]})  # fmt: skip
    raw = model.read(texts, as_text=True).raw
    assert np.isnan(raw["age"][1]) and raw["job"].tolist() == [1, -1] and raw["tags.length"].tolist() == [2, -1]
    assert raw["place"].tolist() == [[1, 2], [1, 2]]


def test_a_file_that_is_no_model_is_told(tmp_path):
    (tmp_path / "text.onnx").write_text("no model")
    with pytest.raises(RunError, match="no model that ONNX Runtime can load"):
        open_model(tmp_path / "text.onnx")
    with pytest.raises(RunError, match="there is no such file"):
        open_model(tmp_path / "none.onnx")
    with pytest.raises(RunError, match="the description in the model is damaged"):
        open_model(write_model(tmp_path / "damaged.onnx", reading={"kinds": 3}))
    with pytest.raises(RunError, match="another version"):
        open_model(write_model(tmp_path / "newer.onnx", format=2))


@pytest.mark.slow
def test_a_host_imports_neither_torch_nor_pandas(tmp_path):
    path = write_model(tmp_path / "well.onnx")
    code = (
        "import sys; from trainwright.deploy.host.model import open_model; from trainwright.deploy.server.app import Application; "
        "from trainwright.deploy.server.hosted import HostedBackend; from trainwright.deploy.server.service import Service; "
        "from trainwright.deploy.server.options import ServeOptions; "
        f"b = HostedBackend(open_model({str(path)!r})); s = Service(b, ServeOptions()); s.warm_up(b.example()); Application(s); "
        "print({'torch', 'pandas', 'sklearn'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=100)
    assert done.stdout.strip() == "set()", done.stderr

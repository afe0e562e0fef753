"""A host reads odd rows as the run reads them: the arrays of both are equal, value by value, for every type of column."""

from __future__ import annotations

import io
import json

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pytest

import trainwright as tw
from trainwright.config.errors import DataError
from trainwright.deploy.exporters.base import Trained
from trainwright.deploy.exporters.description import describe_trained
from trainwright.deploy.host.description import read_description
from trainwright.deploy.host.rows import RowReader
from trainwright.deploy.server.bodies import read_body

QUICK = {"baselines": [], "importance": False, "report": False, "intervals": False}
TYPES = {
    "words": "text", "tags": "set", "bag": "bag", "order": "sequence", "series": "timeseries", "place": "vector", "day": "date",
    "money": "number", "code": "category", "level": "category", "old": "binary",
}  # fmt: skip


def rows_of_training():
    draws = np.random.default_rng(0)
    return [
        {
            "age": None if row % 7 == 0 else float(row),
            "money": f"{row % 9},{row % 10}",
            "code": f"{row % 5:03d}",
            "level": row % 3,
            "old": ["yes", "no"][row % 2],
            "day": f"{1 + row % 28:02d}.{1 + row % 12:02d}.2020",
            "words": " ".join(draws.choice(["good", "bad", "fine"], 1 + row % 3)),
            "tags": "|".join(draws.choice(["a", "b", "c"], 1 + row % 2)),
            "bag": " ".join(draws.choice(["x", "y"], 2)),
            "order": " ".join(draws.choice(["p", "q"], 1 + row % 3)),
            "series": " ".join(map(str, draws.normal(size=2 + row % 3).round(2))),
            "place": f"{row} {row / 2}",
            "y": ["up", "down"][row % 2],
        }
        for row in range(60)
    ]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The run of a table in text that has every type of column."""
    folder = tmp_path_factory.mktemp("host")
    rows = rows_of_training()
    lines = [";".join(rows[0]), *(";".join("" if each is None else str(each) for each in row.values()) for row in rows)]
    (folder / "rows.csv").write_text("\n".join(lines))
    columns = {name: {"type": kind} for name, kind in TYPES.items()} | {"old": {"type": "binary", "join": ["case"]}}
    small = {"combiner": {"type": "concat", "depth": 1, "width": 8}}
    run = tw.train(
        folder / "rows.csv", target="y", run_dir=folder / "run", columns=columns, model=small, trainer={"max_steps": 2}, evaluation=QUICK
    )
    return Trained(run.path, tw.load_predictor(run.path))


@pytest.fixture(scope="module")
def reader(trained):
    described = json.loads(json.dumps(describe_trained(trained)))
    return RowReader(read_description({"trainwright": json.dumps(described)}, {}, "here"))


USUAL = {"age": 3.0, "money": "1,5", "code": "001", "level": 1, "old": "yes", "day": "31.12.2020", "words": "good bad", "tags": "a|b",
         "bag": "x x y", "order": "p q", "series": "1 2.5", "place": "1 2"}  # fmt: skip
ODD = {
    "age": [1, "2", " 3 ", None, "NA", "nan", True, 1e300, -0.0],
    "money": ["2,25", "3", 4, 5.5, None, ""],
    "code": ["002", 2, "2", "999", None, 1.0, "NA"],
    "level": [2, "2", 2.0, "2.0", "two", None, True, 7],
    "old": ["YES", "No", "maybe", None, True, 1, "y", "0"],
    "day": ["01.02.2021", "2021-02-01", "2021-02-01T10:11:12", None, "", "1.2.21"],
    "words": ["", None, "good", "unseen words", 7, "GOOD bad"],
    "tags": ["a", ["a", "c"], [], None, "zz|a", "['a'|'b']"],
    "bag": ["x", ["x", "y", "x"], None, "", 5],
    "order": ["p q p q p q", ["q"], None, "u", []],
    "series": [[1, 2, 3, 4, 5, 6], "1,2;3", None, [], [1, None, 2]],
    "place": [[1, 2], "[3, 4]", None, (5, 6)],
}


def read_by_both(trained, reader, rows):
    asked = reader.read_json({name: [each[name] for each in rows] for name in rows[0]}, len(rows))
    try:
        expected = {name: each.numpy() for name, each in trained.deliverable.read(rows).items()}
    except DataError:
        expected = None
    return asked, expected


@pytest.mark.parametrize("column", ODD)
def test_an_odd_value_gives_the_arrays_that_the_run_reads(trained, reader, column):
    for value in ODD[column]:
        value = list(value) if isinstance(value, tuple) else value
        asked, expected = read_by_both(trained, reader, [{**USUAL, column: value}])
        assert bool(asked.faults) == (expected is None), (value, asked.faults)
        if expected is not None:
            for name, each in expected.items():
                np.testing.assert_array_equal(asked.raw[name], each, err_msg=f"{column}={value!r}: {name}")


def test_rows_of_csv_give_the_arrays_that_the_run_reads(trained, reader, tmp_path):
    table = pa.Table.from_pylist(
        [{name: "" if each is None else str(each) for name, each in row.items() if name != "y"} for row in rows_of_training()]
    )
    content = io.BytesIO()
    pyarrow.csv.write_csv(table, content, pyarrow.csv.WriteOptions(delimiter=";"))
    (tmp_path / "rows.csv").write_bytes(content.getvalue())
    body = read_body(content.getvalue(), "text/csv", 1000)
    asked = reader.read(body.table, body.as_text)
    expected = trained.deliverable.read(tmp_path / "rows.csv")
    assert not asked.faults
    for name, each in expected.items():
        np.testing.assert_array_equal(asked.raw[name], each.numpy(), err_msg=name)

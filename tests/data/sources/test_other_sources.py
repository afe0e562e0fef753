from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet
import pytest
import torch

from trainwright.data.hashing import row_hashes
from trainwright.data.sources import PARTS, from_text
from trainwright.data.sources.opening import from_object

PLENTY, NOTHING = 1 << 40, 0


def table(rows: int) -> pa.Table:
    generator = np.random.default_rng(0)
    return pa.table(
        {
            "number": pa.array(generator.normal(size=rows), mask=generator.random(rows) < 0.1),
            "whole": generator.integers(0, 9, rows),
            "word": pa.array([["a", "bb", None][row % 3] for row in range(rows)]),
            "list": pa.array([[1.0] * (row % 4) for row in range(rows)]),
            "when": pa.array(np.arange(rows), pa.timestamp("s")),
        }
    )


def save(data: pa.Table, path: Path) -> None:
    if path.suffix == ".parquet":
        pa.parquet.write_table(data, path, row_group_size=7000)
    elif path.suffix == ".feather":
        pa.feather.write_feather(data, path, chunksize=5000)
    elif path.suffix == ".arrow":
        with pa.OSFile(str(path), "wb") as out, pa.ipc.new_stream(out, data.schema) as stream:
            stream.write_table(data, max_chunksize=3000)
    else:
        path.write_text("".join(json.dumps(row, default=str) + "\n" for row in data.to_pylist()))


@pytest.mark.parametrize(("name", "kind"), [("x.parquet", "parquet"), ("x.feather", "arrow"), ("x.arrow", "arrow"), ("x.jsonl", "jsonl")])
def test_streamed_and_in_memory_files_are_the_same(tmp_path: Path, opened, name: str, kind: str) -> None:
    data = table(20_000)
    save(data, tmp_path / name)
    assert from_text(str(tmp_path / name))["type"] == kind
    whole, streamed = (opened(tmp_path / name, limit, type=kind) for limit in (PLENTY, NOTHING))
    assert streamed.table is None
    assert whole.schema == streamed.schema
    assert len(whole) == len(streamed) == 20_000
    for left, right in zip(whole.batches(), streamed.batches(), strict=True):
        assert left.equals(right)
    chosen = np.array([19_999, 3, 3, 12_345])
    assert whole.read(chosen, ["word", "number"]).equals(streamed.read(chosen, ["word", "number"]))
    assert whole.read(chosen).column("number").to_pylist() == data.column("number").take(chosen).to_pylist()
    assert streamed.read(np.zeros(0, np.int64)).schema == streamed.schema
    assert (row_hashes(whole) == row_hashes(streamed)).all()


def test_the_same_rows_have_the_same_hashes_in_every_format(tmp_path: Path, opened) -> None:
    data = table(500).drop_columns(["list"])
    hashes = []
    for name, kind in (("x.parquet", "parquet"), ("x.feather", "arrow"), ("x.jsonl", "jsonl")):
        save(data, tmp_path / name)
        hashes.append(row_hashes(opened(tmp_path / name, type=kind)))
    pa.csv.write_csv(data, tmp_path / "x.csv")
    hashes.append(row_hashes(opened(tmp_path / "x.csv")))
    hashes.append(row_hashes(from_object(data.select(data.column_names[::-1]))))
    assert all((each == hashes[0]).all() for each in hashes)


def test_several_parquet_files_are_one_table(tmp_path: Path, opened) -> None:
    pa.parquet.write_table(pa.table({"a": [1, 2], "b": ["x", "y"]}), tmp_path / "1.parquet")
    pa.parquet.write_table(pa.table({"b": ["z"], "a": [0.5]}), tmp_path / "2.parquet")
    for limit in (PLENTY, NOTHING):
        assert opened(tmp_path / "*.parquet", limit, type="parquet").read().to_pydict() == {"a": [1.0, 2.0, 0.5], "b": ["x", "y", "z"]}


def test_json_values_of_mixed_types_become_text(write, opened) -> None:
    path = write('{"a": 1, "b": [1, 2]}\n{"a": "x", "c": NaN}\n\n{"a": null, "b": [3]}\n', "x.jsonl")
    found = opened(path, type="jsonl").read().to_pydict()
    assert found == {"a": ["1", "x", None], "b": [[1, 2], None, [3]], "c": [None, None, None]}


def test_a_sheet_is_read_with_its_types(tmp_path: Path, opened) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    sheet = book.create_sheet("data")
    for row in [["age", "name", "when"], [1, "a", None], [None, "NA", None], [2.5, "b", None]]:
        sheet.append(row)
    book.save(tmp_path / "x.xlsx")
    assert opened(tmp_path / "x.xlsx", type="xlsx", sheet="data").read().to_pydict() == {
        "age": [1.0, None, 2.5],
        "name": ["a", None, "b"],
        "when": [None, None, None],
    }


@pytest.mark.parametrize("name", ["iris", "wine", "breast_cancer", "digits", "diabetes", "linnerud"])
def test_built_in_sets_are_those_of_scikit_learn(name: str) -> None:
    from sklearn import datasets

    theirs = getattr(datasets, f"load_{name}")(as_frame=True)
    ours = from_object(f"builtin:{name}")
    assert ours.schema.names == list(theirs.frame.columns)
    assert ours.default_targets == (["target"] if name != "linnerud" else list(theirs.target_names))
    for column in theirs.data.columns:
        assert (ours.read(columns=[column]).column(0).to_numpy() == theirs.data[column].to_numpy()).all()
    for column in ours.default_targets:
        truth = theirs.frame[column].to_numpy()
        if name in ("iris", "wine", "breast_cancer"):
            truth = np.array(theirs.target_names)[truth]
        assert ours.read(columns=[column]).column(0).to_pylist() == truth.tolist()


def test_objects_in_memory_are_sources() -> None:
    import pandas as pd

    frame = pd.DataFrame({"a": [1.0, np.nan], "b": ["x", None], "c": pd.Categorical(["u", "v"]), 4: [True, False], "d": ["x", 2]})
    source = from_object(frame)
    assert source.read().to_pydict() == {"a": [1.0, None], "b": ["x", None], "c": ["u", "v"], "4": [True, False], "d": ["x", "2"]}
    columns = {"a": np.array([1.0, np.nan]), "b": torch.tensor([1, 2]), "v": np.eye(2), "s": ["x", None]}
    assert from_object(columns).read().to_pydict() == {"a": [1.0, None], "b": [1, 2], "v": [[1.0, 0.0], [0.0, 1.0]], "s": ["x", None]}
    assert from_object(pa.table({"a": pa.array(["x", "y"]).dictionary_encode()})).schema == pa.schema([("a", pa.string())])
    assert from_object(frame).fingerprint() == from_object(frame).fingerprint()


def test_options_are_known_without_torch_pandas_or_scikit_learn() -> None:
    code = (
        "import sys; from trainwright.data.arrow import pandas_later; pandas_later();"
        "from trainwright.data.sources.opening import from_object; from trainwright.data.profile import profile;"
        "from trainwright.data.hashing import row_hashes; from trainwright.data.splits import AutoOptions;"
        "from trainwright.data.splits.dividing import make_split;"
        "from trainwright.data.checks import leaks, duplicates_across;"
        "s = from_object('builtin:iris'); profile(s); h = row_hashes(s);"
        "p = make_split(AutoOptions(), s, 0, ['target'], {'target': 'category'}); duplicates_across(s, h, p, ['target']);"
        "leaks(s, s.schema.names, ['target'], {'target': 'category'}, p.train);"
        "bad = [m for m in ('torch', 'pandas', 'sklearn', 'scipy', 'pyarrow.dataset', 'pyarrow.parquet') if m in sys.modules];"
        "assert not bad, bad"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_every_part_has_a_class_and_a_summary() -> None:
    from trainwright.config.registry import load, parts

    for kind, table_ in (("source", PARTS), ("split", parts("split"))):
        for name, part in table_.items():
            assert load(kind, name).__name__
            assert part.summary and part.config.model_fields["type"].default == name

"""The row index that pandas writes beside the columns is no column, unless it is named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet
import pytest

import trainwright as tw
from trainwright.data.inference import ROW_INDEX, infer
from trainwright.data.profile import profile
from trainwright.data.sources.later import later_rows
from trainwright.data.sources.opening import from_object


def frame(kind: str) -> pd.DataFrame:
    generator = np.random.default_rng(0)
    made = pd.DataFrame({"x": generator.normal(size=60), "y": generator.integers(0, 2, 60)})
    if kind == "range":
        return made
    if kind == "filtered":
        return made[made.x > -0.5]
    if kind == "named":
        return made.set_index(pd.Index([f"p{row}" for row in range(60)], name="patient"))
    return made.set_index(pd.MultiIndex.from_product([range(20), range(3)], names=["patient", "visit"]))


def written(made: pd.DataFrame, path: Path) -> Path:
    if path.suffix == ".parquet":
        made.to_parquet(path)
    elif path.suffix == ".feather":
        pyarrow.feather.write_feather(made, path)
    else:
        with pa.ipc.new_file(path, (table := pa.Table.from_pandas(made)).schema) as file:
            file.write_table(table)
    return path


INDEX = {"range": [], "filtered": ["__index_level_0__"], "named": ["patient"], "levels": ["patient", "visit"]}


@pytest.mark.parametrize("kind", INDEX)
@pytest.mark.parametrize("form", ["a.parquet", "a.feather", "a.arrow", "frame", "table"])
@pytest.mark.parametrize("limit", [1 << 30, 0])
def test_a_row_index_is_left_out_and_named_and_read_where_it_is_wanted(kind: str, form: str, limit: int, tmp_path: Path) -> None:
    made = frame(kind)
    data: Any = made if form == "frame" else pa.Table.from_pandas(made) if form == "table" else written(made, tmp_path / form)
    source = from_object(data, limit)
    assert source.schema.names == ["x", "y"] and source.read().column_names == ["x", "y"]
    assert pa.concat_tables(source.batches()).num_rows == len(made)
    said = INDEX[kind] if form in ("a.parquet", "a.feather", "a.arrow") else [each for each in INDEX[kind] if "__" not in each]
    assert [name for name in INDEX[kind] if f"'{name}'" in " ".join(source.notes)] == said and bool(said) == bool(source.notes)
    wanted = from_object(data, limit, keep=INDEX[kind])
    assert wanted.schema.names == ["x", "y", *INDEX[kind]] and not wanted.notes
    if INDEX[kind]:
        level = wanted.read(columns=[INDEX[kind][0]])[INDEX[kind][0]].to_pylist()
        assert level == list(made.index.get_level_values(0))


def test_metadata_that_name_no_index_and_a_file_of_nothing_else_are_read_whole(tmp_path: Path) -> None:
    table = pa.table({"x": [1.0, 2.0]})
    pyarrow.parquet.write_table(table.replace_schema_metadata({"pandas": "not JSON"}), tmp_path / "a.parquet")
    assert from_object(tmp_path / "a.parquet").schema.names == ["x"]
    pd.DataFrame(index=pd.Index([3, 5], name="only")).to_parquet(tmp_path / "b.parquet")
    assert from_object(tmp_path / "b.parquet").schema.names == ["only"]


def test_files_of_which_one_has_an_index_go_together(tmp_path: Path) -> None:
    frame("range").to_parquet(tmp_path / "a.parquet")
    frame("filtered").to_parquet(tmp_path / "b.parquet")
    assert from_object(tmp_path / "*.parquet").schema.names == ["x", "y"]


def test_a_frame_is_predicted_as_it_was_saved(tmp_path: Path) -> None:
    generator = np.random.default_rng(1)
    made = pd.DataFrame({"x": generator.normal(size=300), "z": generator.normal(size=300)})
    made["y"] = np.where(made.x > 0, "yes", "no")
    made = made.set_index(pd.Index(generator.permutation(300), name="patient"))[lambda rows: rows.z > -1]
    made.to_parquet(tmp_path / "a.parquet")
    options: dict[str, Any] = {"trainer.max_epochs": 1, "evaluation.baselines": [], "evaluation.report": False}
    for name, more in (("plain", {}), ("named", {"columns": {"patient": "number"}})):
        run = tw.train(str(tmp_path / "a.parquet"), target="y", **{"run.dir": str(tmp_path / name), **options, **more})
        assert ("patient" in run.model.encoder.inputs) == (name == "named")
        again = pd.read_parquet(tmp_path / "a.parquet")
        found = run.predict(again)
        assert found.index.equals(again.index)
        assert found["y_prediction"].tolist() == run.predict(str(tmp_path / "a.parquet"))["y_prediction"].to_pylist()


def test_new_rows_have_the_index_where_the_model_knows_it(tmp_path: Path) -> None:
    made = frame("named")
    assert later_rows(made, None, ["x", "patient"]).schema.names == ["x", "y", "patient"]
    assert later_rows(made, None, ["x"]).schema.names == ["x", "y"]


@pytest.mark.parametrize("ending", ["csv", "xlsx"])
def test_an_index_in_text_and_sheets_is_left_out_also_where_it_counts_anew(ending: str, tmp_path: Path) -> None:
    parts = pd.concat([frame("filtered"), frame("filtered")])
    parts.to_csv(tmp_path / "t.csv") if ending == "csv" else parts.to_excel(tmp_path / "t.xlsx")
    prepared = tw.train(
        str(tmp_path / f"t.{ending}"), target="y", trainer={"max_steps": 1, "progress": "none"},
        evaluation={"baselines": [], "report": False, "importance": False}, run={"dir": str(tmp_path / "r")},
    )  # fmt: skip
    roles = {column["name"]: column["role"] for column in json.loads((tmp_path / "r/data.json").read_text())["columns"]}
    assert roles == {"Unnamed: 0": "ignored", "x": "input", "y": "target"}
    assert isinstance(prepared.predict(parts.iloc[0]), pd.Series) and len(prepared.predict(parts)) == len(parts)


def test_an_index_whose_file_lost_its_metadata_is_left_out(tmp_path: Path) -> None:
    bare = pa.Table.from_pandas(frame("filtered")).replace_schema_metadata(None)
    profiled = infer(profile(from_object(bare)), ["y"])
    assert {each.name: each.why for each in profiled}["__index_level_0__"] == ROW_INDEX

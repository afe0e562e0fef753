"""A table whose columns stand in folder names is trained on, continued, evaluated and predicted by folder, pattern and file."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from small_tables import QUICK

import trainwright as tw
from trainwright.cli.main import main
from trainwright.config.errors import DataError


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """`rides/year=…/zip=…` with a price that follows from the year and the code, in the working directory."""
    monkeypatch.chdir(tmp_path)
    chance = np.random.default_rng(0)
    rows = pd.DataFrame({"x": chance.normal(size=240), "year": np.repeat([2020, 2021, 2022], 80), "zip": ["00501", "10001"] * 120})
    rows["y"] = (rows.x + rows.year - 2020 + 2 * (rows.zip == "00501")).round(3)
    rows.to_parquet("rides", partition_cols=["year", "zip"])
    return tmp_path / "rides"


def assert_alike(first: pa.Table, second: pa.Table) -> None:
    assert first.column_names == second.column_names and first.num_rows == second.num_rows
    for name in first.column_names:
        np.testing.assert_allclose(first[name].to_numpy(), second[name].to_numpy(), rtol=1e-4, atol=1e-5)


def test_a_folder_is_trained_on_and_predicted_as_the_same_rows_in_a_frame(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    run = tw.train("rides", target="y", run_dir="run", run={"device": "cpu"}, **QUICK)
    assert "columns read from the names of folders: 'year' (2020, 2021, 2022); 'zip' (00501, 10001)" in caplog.text
    whole = run.predict("rides")
    files = sorted(folder.rglob("*.parquet"))
    frames = [pd.read_parquet(each).assign(year=int(each.parent.parent.name[5:]), zip=each.parent.name[4:]) for each in files]
    assert_alike(whole, pa.table(run.predict(pd.concat(frames, ignore_index=True)).to_dict("list")))
    assert_alike(whole, run.predict("rides/*/*/*.parquet"))
    part = next((folder / "year=2022" / "zip=00501").iterdir())
    assert_alike(whole.slice(160, 40), run.predict(part))
    assert_alike(whole.slice(160, 40), run.predict("rides/year=2022/zip=00501"))
    part.rename("alone.parquet")
    with pytest.raises(DataError, match="in training 'year', 'zip' came from the names of folders"):
        run.predict("alone.parquet")


def test_commands_take_a_folder_and_a_split_goes_by_its_columns(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    quick = ["trainer.max_epochs=1", "trainer.trackers=[csv]", "evaluation.baselines=[]", "evaluation.importance=false", "run.device=cpu"]
    split = "data.split={type: column, column: year, train: [2020], validation: [2021], test: [2022]}"
    assert main(["train", "rides/", "--target", "y", "run.dir=run", split, "evaluation.report=false", *quick]) == 0
    assert "80 training, 80 validation, 80 test rows" in capsys.readouterr().err
    assert main(["evaluate", "run", "rides/year=2021"]) == 0
    assert main(["predict", "run", "rides/year=2021", "-o", "out.csv"]) == 0
    assert len(pd.read_csv("out.csv")) == 80
    assert main(["inspect", "rides", "targets=[y]"]) == 0
    input_file = next(folder.rglob("*.parquet"))
    assert main(["predict", "run", "rides", "-o", str(input_file)]) == 2
    for source, output in (("rides", "rides/new.csv"), ("rides/*/*/*.parquet", f"{input_file.parent}/new.parquet"), (".", "out.csv")):
        assert main(["predict", "run", source, "-o", output]) == 2
    assert "this file would become a part of the table" in capsys.readouterr().err and not Path("rides/new.csv").exists()
    assert main(["predict", "run", "rides/*/*/*.parquet", "-o", "rides/new.parquet"]) == 0
    Path("rides/new.parquet").unlink()
    assert main(["validate", "run"]) == 0
    (folder / "year=2022").rename(folder / "year=2023")
    assert main(["validate", "run"]) == 2
    assert "data" in capsys.readouterr().err

"""`data.where` and `data.derive` through whole runs: the same as preparing the table by hand, in training, evaluation and prediction."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from small_tables import QUICK, passengers, write_csv

import trainwright as tw
from trainwright.api.evaluate import evaluate
from trainwright.cli.main import main

QUIET = QUICK | {"trainer": QUICK["trainer"] | {"max_epochs": 2, "progress": "none"}}
SELECTED = {
    "where": "fare > 5 and port in ['C', 'S'] and age < 60",
    "derive": {"log_fare": "log(fare)", "decade": "age // 10", "mark": "sex + ':' + port"},
}


def by_hand(frame: pd.DataFrame) -> pd.DataFrame:
    """The table that `SELECTED` stands for."""
    kept = frame[(frame.fare > 5) & frame.port.isin(["C", "S"]) & (frame.age < 60)]
    return kept.assign(log_fare=np.log(kept.fare), decade=kept.age // 10, mark=kept.sex + ":" + kept.port)


def trained(path: Any, run: Path, **sections: Any) -> Any:
    return tw.train(path if isinstance(path, pd.DataFrame) else str(path), target="survived", run_dir=run, **QUIET | sections)


def weights(run: Any) -> str:
    return str(json.loads((Path(run.path) / "results.json").read_text())["weights_sha256"])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("selected")
    write_csv(made / "all.csv", passengers())
    by_hand(pd.read_csv(made / "all.csv")).to_csv(made / "hand.csv", index=False)
    return made


@pytest.fixture(scope="module")
def run(folder: Path) -> Any:
    return trained(folder / "all.csv", folder / "run", data=SELECTED)


def test_a_run_is_the_one_of_a_table_selected_and_derived_by_hand(run: Any, folder: Path) -> None:
    assert weights(run) == weights(trained(folder / "hand.csv", folder / "by-hand"))


def test_the_rows_are_the_same_streamed_and_from_memory(run: Any, folder: Path) -> None:
    streamed = trained(folder / "all.csv", folder / "streamed", data=SELECTED | {"memory_limit": "1 kB"})
    frame = trained(pd.read_csv(folder / "all.csv"), folder / "frame", data=SELECTED)
    assert weights(run) == weights(streamed) == weights(frame)
    again = tw.train(config=str(folder / "frame" / "config.yaml"), run_dir=folder / "frame-again")
    assert weights(again) == weights(run)


def test_rows_left_out_are_counted_in_the_record_of_the_run(run: Any, folder: Path) -> None:
    data = json.loads((folder / "run" / "data.json").read_text())
    frame = pd.read_csv(folder / "all.csv")
    kept = by_hand(frame).index
    undecided = int((frame.age.isna() & (frame.fare > 5) & frame.port.isin(["C", "S"])).sum())
    assert undecided > 0
    said = {key: data["selection"][key] for key in ("rows_before", "left_out", "left_out_as_missing")}
    assert said == {"rows_before": 240, "left_out": 240 - len(kept), "left_out_as_missing": undecided}
    assert data["dropped_rows"][0]["rows"] == [row for row in range(240) if row not in set(kept)][:10]
    assert "leaves out" in (folder / "run" / "log.txt").read_text() + "".join(data["notes"])
    import pyarrow.parquet as parquet

    assert parquet.read_table(folder / "run" / "splits.parquet")["row"].to_pylist() == list(kept)


@pytest.mark.parametrize("form", ["csv", "parquet", "frame"])
def test_predictions_have_a_row_for_each_row_and_none_for_those_left_out(run: Any, folder: Path, form: str, tmp_path: Path) -> None:
    new = pd.read_csv(folder / "all.csv").drop(columns="survived").head(60)
    data: Any = new
    if form != "frame":
        data = str(tmp_path / f"new.{form}")
        new.to_csv(data, index=False) if form == "csv" else new.to_parquet(data)
    found = tw.load(folder / "run").predict(data)
    found = found if isinstance(found, pd.DataFrame) else found.to_pandas()
    kept = by_hand(new).index
    assert len(found) == 60
    assert list(found.index[found.iloc[:, 0].notna()]) == list(kept)
    hand = tw.load(trained(folder / "hand.csv", tmp_path / "hand").path).predict(by_hand(new))
    np.testing.assert_array_equal(found.loc[kept].iloc[:, -1].to_numpy(), hand.iloc[:, -1].to_numpy())


def test_evaluation_counts_the_rows_it_leaves_out_and_measures_the_others(run: Any, folder: Path, capsys: Any) -> None:
    found = evaluate(folder / "run", str(folder / "all.csv"))
    rows = len(by_hand(pd.read_csv(folder / "all.csv")))
    assert (found["rows"], found["left_out"]) == (rows, 240 - rows)
    hand = trained(folder / "hand.csv", folder / "hand-again")
    assert found["metrics"] == evaluate(hand.path, str(folder / "hand.csv"))["metrics"]
    assert main(["test", str(folder / "run")]) == 0


def test_no_row_that_counts_gives_predictions_without_a_value(run: Any) -> None:
    found = tw.load(run.path).predict({"sex": ["male"], "age": [70], "fare": [9.0], "port": ["C"]})
    assert found.num_rows == 1
    assert all(value is None for value in found.to_pylist()[0].values())


def test_a_derived_target_takes_what_it_is_derived_from_out_of_the_inputs(folder: Path, tmp_path: Path) -> None:
    options = {"derive": {"dear": "fare > 20", "twice": "fare * 2"}, "where": "survived == 1 and fare < 200"}
    made = tw.train(str(folder / "all.csv"), target="dear", run_dir=tmp_path / "r", data=options, **QUIET)
    roles = {each["name"]: (each["role"], each["why"]) for each in json.loads((tmp_path / "r" / "data.json").read_text())["columns"]}
    assert roles["fare"] == ("ignored", "in `ignore`") or "derived from it" in roles["fare"][1]
    assert roles["twice"][0] == "ignored"
    found = tw.load(made.path).predict({"sex": ["male"] * 2, "age": [30, 40], "port": ["C"] * 2, "survived": [1, 0]})
    assert [each is None for each in found.column(0).to_pylist()] == [False, True]  # the part of the condition on the target is left out
    measured = evaluate(made.path, str(folder / "all.csv"))
    assert measured["rows"] == int((pd.read_csv(folder / "all.csv").eval("survived == 1 and fare < 200")).sum())


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        (["data.where=faer > 3"], "did you mean 'fare'"),
        (["data.where=age >"], "age >"),
        (["data.where=sex > 3"], "row 1: sex is"),
        (["data.where=age > 1000"], "data.where leaves no rows"),
        (["data.derive.age=fare * 2"], "have a column 'age' already"),
        (["data.derive.x=upper(fare)"], "text(fare)"),
        (["data.derive.x=uper(sex)"], "did you mean 'upper'"),
        (["data.derive.x=x + 1"], "derived from itself"),
        (["data.where=" + "(" * 300], "data.where"),
    ],
)
def test_a_mistake_is_told_before_anything_is_written(settings: list[str], told: str, folder: Path, tmp_path: Path, capsys: Any) -> None:
    assert main(["train", str(folder / "all.csv"), "--target", "survived", f"run.dir={tmp_path / 'r'}", *settings]) == 2
    error = capsys.readouterr().err
    assert told in error
    assert "Traceback" not in error
    assert not (tmp_path / "r").exists()


def test_a_column_that_a_derived_one_lacks_is_named(run: Any, folder: Path, capsys: Any, tmp_path: Path) -> None:
    pd.read_csv(folder / "all.csv").drop(columns=["fare"]).assign(fares=1.0).to_csv(tmp_path / "new.csv", index=False)
    assert main(["predict", str(folder / "run"), str(tmp_path / "new.csv")]) == 2
    assert "missing column 'fare'" in capsys.readouterr().err


def test_where_and_derive_stand_on_the_command_line_with_signs_of_their_own(folder: Path, tmp_path: Path) -> None:
    words = ["train", str(folder / "all.csv"), "--target", "survived", "--dry-run", f"run.dir={tmp_path / 'r'}"]
    settings = ["data.where='C' == port or port=='S'", "data.derive.ratio=fare / age ** 2", "data.derive.kind='old' if age > 40 else 'new'"]
    assert main([*words, *settings]) == 0


def test_a_split_and_given_files_see_the_selected_rows(folder: Path, tmp_path: Path) -> None:
    frame = pd.read_csv(folder / "all.csv")
    frame[:160].to_csv(tmp_path / "train.csv", index=False)
    frame[160:].to_csv(tmp_path / "test.csv", index=False)
    split = {"type": "files", "test": str(tmp_path / "test.csv")}
    made = trained(tmp_path / "train.csv", tmp_path / "r", data=SELECTED | {"split": split})
    counts = json.loads((Path(made.path) / "data.json").read_text())["split"]
    kept = by_hand(frame).index
    assert (counts["train"] + counts["validation"], counts["test"]) == (int((kept < 160).sum()), int((kept >= 160).sum()))
    part = "'test' if fare > 40 else 'validation' if fare > 30 else 'train'"
    by_column = {"derive": {"part": part}, "split": {"type": "column", "column": "part"}}
    other = trained(folder / "all.csv", tmp_path / "c", data=by_column)
    assert json.loads((Path(other.path) / "data.json").read_text())["split"]["test"] == int((frame.fare > 40).sum())

"""A supervised run from Python: every way of giving data is the same run, and what it writes can be used."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from small_tables import QUICK, passengers, write_csv

import trainwright as tw
from trainwright.config.errors import RunError

FILES = ["run.json", "config.yaml", "command.txt", "environment.json", "code.json", "log.txt", "metrics.csv", "data.json", "splits.parquet"]
FILES += ["results.json", "analysis.json", "checkpoints", "model/model.safetensors", "model/features.json", "model/model.json"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a table in it."""
    made = tmp_path_factory.mktemp("train")
    write_csv(made / "passengers.csv", passengers())
    return made


@pytest.fixture(scope="module")
def run(folder: Path) -> tw.Run:
    """A finished run on the table."""
    return tw.train(folder / "passengers.csv", target="survived", run_dir=folder / "run", **QUICK)


def weights(run: tw.Run) -> str:
    return str(run.results["weights_sha256"])


def test_a_run_directory_holds_every_file_it_promises(run: tw.Run) -> None:
    assert [name for name in FILES if not (run.path / name).exists()] == []
    assert run.status == "finished"


def test_the_network_learns_and_its_numbers_are_in_the_results(run: tw.Run) -> None:
    assert set(run.metrics) == {"train", "validation", "test"}
    assert run.metrics["test"]["survived"]["roc_auc"] > 0.7
    assert run.results["realised"]["batch_size"] == 32
    assert run.results["stopped_because"] == "max_epochs"


@pytest.mark.parametrize("form", ["dict", "pandas", "arrow"])
def test_data_in_memory_train_the_same_weights_as_the_file(folder: Path, run: tw.Run, form: str, tmp_path: Path) -> None:
    data: Any = pa.table({name: pa.array(values, from_pandas=True) for name, values in passengers().items()})
    data = {"dict": passengers(), "pandas": data.to_pandas(), "arrow": data}[form]
    other = tw.train(data, target="survived", run_dir=tmp_path / "run", **QUICK)
    assert weights(other) == weights(run)


def test_the_written_configuration_repeats_the_run(run: tw.Run, tmp_path: Path) -> None:
    again = tw.train(config=run.path / "config.yaml", run_dir=tmp_path / "again")
    assert weights(again) == weights(run)
    assert again.metrics == run.metrics


def test_a_taken_directory_is_told_in_the_words_of_python(folder: Path, run: tw.Run) -> None:
    with pytest.raises(RunError) as error:
        tw.train(folder / "passengers.csv", target="survived", run_dir=run.path, **QUICK)
    assert "resume=True" in error.value.fix and "run_dir=" in error.value.fix and "--" not in error.value.fix


def test_a_finished_run_is_continued_from_memory_to_itself(tmp_path: Path) -> None:
    first = tw.train(passengers(), target="survived", run_dir=tmp_path / "run", **QUICK)
    assert weights(tw.train(passengers(), target="survived", run_dir=tmp_path / "run", resume=True, **QUICK)) == weights(first)
    with pytest.raises(RunError, match="the data have changed"):
        tw.train(passengers(seed=1), target="survived", run_dir=tmp_path / "run", resume=True, **QUICK)


def test_another_seed_gives_other_weights(folder: Path, run: tw.Run, tmp_path: Path) -> None:
    other = tw.train(folder / "passengers.csv", target="survived", run_dir=tmp_path / "run", run={"seed": 1}, **QUICK)
    assert weights(other) != weights(run)


def test_micro_batches_do_not_change_the_update(folder: Path, run: tw.Run, tmp_path: Path) -> None:
    settings = {**QUICK, "trainer": {**QUICK["trainer"], "micro_batch_size": 7}}
    other = tw.train(folder / "passengers.csv", target="survived", run_dir=tmp_path / "run", **settings)
    mine, theirs = (each.model.system.state_dict() for each in (run, other))
    assert max(float((mine[name] - theirs[name]).abs().max()) for name in mine if mine[name].numel()) < 1e-5


def test_the_model_predicts_the_test_rows_as_they_were_measured(folder: Path, run: tw.Run) -> None:
    saved = np.load(run.path / "outcomes" / "survived.npz")
    predicted = run.predict(folder / "passengers.csv")
    found = np.stack([predicted["survived_probability_0"].to_numpy(), predicted["survived_probability_1"].to_numpy()], axis=1)
    np.testing.assert_allclose(found[saved["rows"]], saved["scores"], atol=1e-6)


def test_evaluating_the_test_rows_gives_the_test_metrics(run: tw.Run) -> None:
    rows = np.load(run.path / "outcomes" / "survived.npz")["rows"]
    test = {name: values[rows] for name, values in passengers().items()}
    found = run.evaluate(test)["survived"]
    for name, value in run.metrics["test"]["survived"].items():
        assert found[name] == pytest.approx(value, abs=1e-6)


def test_a_frame_is_answered_with_a_frame_on_the_same_index(run: tw.Run) -> None:
    frame = pa.table(passengers(20, seed=5)).to_pandas().drop(columns="survived")
    frame.index = [f"row {number}" for number in range(20)]
    predicted = run.predict(frame)
    assert list(predicted.index) == list(frame.index)
    assert set(predicted["survived_prediction"]) <= {0, 1}


def test_unseen_categories_and_missing_values_are_predicted_and_counted(run: tw.Run, caplog: pytest.LogCaptureFixture) -> None:
    new = {"sex": ["female", "other"], "age": [None, 3.0], "fare": [1.0, 2.0], "port": ["Z", "S"], "extra": [1, 2]}
    with caplog.at_level("INFO", logger="trainwright"):
        assert run.predict(new).num_rows == 2
    assert "never seen in training" in caplog.text and "extra" in caplog.text


def test_a_missing_column_is_named(run: tw.Run) -> None:
    with pytest.raises(tw.TrainwrightError, match="fare"):
        run.predict({"sex": ["male"], "age": [3.0], "port": ["S"]})


def test_a_loaded_run_gives_the_same_predictions(run: tw.Run) -> None:
    new = {name: values[:9] for name, values in passengers().items()}
    assert tw.load(run.path).predict(new).equals(run.predict(new))


def test_a_column_that_is_the_target_in_other_words_is_left_out_and_said(tmp_path: Path) -> None:
    columns = passengers()
    columns["alive"] = np.where(columns["survived"] == 1, "yes", "no")
    run = tw.train(columns, target="survived", run_dir=tmp_path / "run", **QUICK)
    said = json.loads((run.path / "data.json").read_text())
    assert [(leak["column"], leak["excluded"]) for leak in said["leaks"] if leak["exact"]] == [("alive", True)]
    assert "alive" not in run.model.encoder.inputs


def test_several_targets_of_different_types_are_trained_together(tmp_path: Path) -> None:
    run = tw.train(passengers(), target=["survived", "fare", "port"], run_dir=tmp_path / "run", **QUICK)
    assert {"survived", "fare", "port", "loss"} == set(run.metrics["test"])
    predicted = run.predict(passengers(5))
    assert {"survived_prediction", "fare_prediction", "port_prediction"} <= set(predicted.column_names)


def test_the_threshold_is_chosen_on_validation_when_asked(tmp_path: Path) -> None:
    columns = {"survived": {"type": "binary", "threshold": "tuned"}}
    run = tw.train(passengers(), target="survived", columns=columns, run_dir=tmp_path / "run", **QUICK)
    assert 0 < run.model.thresholds["survived"] < 1


def test_rows_of_a_mapped_table_train_the_same_weights(folder: Path, run: tw.Run, tmp_path: Path) -> None:
    data = {"source": str(folder / "passengers.csv"), "memory_limit": "2 KiB"}
    other = tw.train(config={"data": data}, target="survived", run_dir=tmp_path / "run", **QUICK)
    assert weights(other) == weights(run)


def test_a_table_without_test_rows_is_measured_on_validation(tmp_path: Path) -> None:
    data = {"split": {"type": "random", "train": 0.8, "validation": 0.2, "test": 0.0}}
    run = tw.train(passengers(), target="survived", data=data, run_dir=tmp_path / "run", **QUICK)
    assert "test" not in run.metrics and run.metrics["validation"]["survived"]["accuracy"] > 0.5


def test_what_was_chosen_by_itself_is_written_down_and_repeats_the_run(tmp_path: Path) -> None:
    settings = {"trainer": {**QUICK["trainer"], "max_epochs": 1}, "evaluation": QUICK["evaluation"]}
    run = tw.train(passengers(), target="survived", run_dir=tmp_path / "run", **settings)
    written = json.loads((run.path / "model" / "model.json").read_text())["model"]
    assert written["combiner"]["type"] == "tabm" and written["encoders"]["number"]["type"] == "piecewise_linear"
    assert weights(tw.train(config=run.path / "config.yaml", run_dir=tmp_path / "again")) == weights(run)

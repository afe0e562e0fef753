"""A run on an uneven table with repeated rows: which number decides, on which rows, and what is said of it everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from tests.api.small_tables import QUICK

import trainwright as tw
from trainwright.config.errors import RequestError
from trainwright.domains.tables.show import result_lines, verdict_lines


@pytest.fixture(scope="module")
def table() -> dict[str, np.ndarray]:
    """600 rows, 6 % of them positive, and the first 120 once more."""
    random = np.random.default_rng(3)
    x, z = random.normal(size=600), random.normal(size=600)
    score = x + 0.4 * z + random.normal(0, 0.4, 600)
    y = np.where(score > np.quantile(score, 0.94), "late", "a time")
    return {name: np.concatenate([each, each[:120]]) for name, each in {"x": x, "z": z, "y": y}.items()}


@pytest.fixture(scope="module")
def run(table: dict[str, np.ndarray], tmp_path_factory: pytest.TempPathFactory) -> tw.Run:
    baselines = {"evaluation": {"importance": False, "report": True}}
    settings = QUICK | baselines | {"columns": {"y": {"positive": "late"}}}
    return tw.train(table, target="y", **settings, run={"dir": str(tmp_path_factory.mktemp("runs") / "r")})


@pytest.fixture(scope="module")
def verdict(run: tw.Run) -> Any:
    return run.results["verdict"]["y"]


def test_the_rare_class_decides_the_number_and_the_reason_is_said(run: tw.Run, verdict: Any) -> None:
    assert verdict["metric"] == "average_precision"
    assert "of the training rows are 'late'" in verdict["notes"][0]
    assert any(" are 'late': the number hangs on single rows" in each for each in verdict["notes"])
    assert any(each.startswith("columns.y.class_weights=auto") for each in verdict["advice"])
    assert run.directory.info["headline"]["metric"] == "average_precision"
    assert run.directory.info["headline"]["value"] == verdict["network"]


def test_the_verdict_is_made_from_rows_whose_inputs_are_new_and_shows_both_numbers(
    run: tw.Run, table: dict[str, np.ndarray], verdict: Any
) -> None:
    found = run.directory.path / "outcomes" / "y.npz"
    rows = np.load(found)["rows"]
    parts = pq.read_table(run.directory.splits).to_pydict()
    training = {table["x"][row] for row, part in zip(parts["row"], parts["split"], strict=True) if part == "train"}
    seen = np.array([table["x"][row] in training for row in rows])
    assert 0 < seen.sum() == verdict["seen"]["rows"] and verdict["rows"] == (~seen).sum() and verdict["of"] == len(rows)
    assert verdict["network"] == verdict["seen"]["network_new"] == verdict["values"]["network"]
    assert run.directory.read_json("data.json")["duplicates"]["seen_inputs"]["test"] == seen.sum()
    assert any("have the inputs of a training row" in each for each in verdict["notes"])
    assert any(each.startswith("data.duplicates=drop leaves the") for each in verdict["advice"])


def test_rows_that_are_dropped_from_training_are_new_in_the_test_rows(table: dict[str, np.ndarray], tmp_path: Path) -> None:
    settings = {"evaluation": {"importance": False, "report": False, "baselines": ["constant"]}, "data": {"duplicates": "drop"}}
    found = tw.train(table, target="y", **(QUICK | settings), run={"dir": str(tmp_path / "r")}).results["verdict"]["y"]
    assert found["seen"] is None and found["rows"] == found["of"]
    assert not any("duplicates" in each for each in found["advice"])


def test_a_run_that_its_length_ended_while_it_improved_says_how_to_go_on(run: tw.Run) -> None:
    assert run.results["stopped_because"] == "max_epochs" and run.results["still_improving"]
    assert run.results["go_on"] == f"trainwright resume {run.path} --fork trainer.max_epochs=8"
    page = (run.path / "report.html").read_text()
    assert "still improving" in page and "max_epochs=8" in page and "To try" in page and "new test rows" in page
    lines = result_lines(run.results, ["y"])
    assert lines[-1].startswith("go on:") or lines[-2].startswith("go on:")
    told = verdict_lines(run.results["verdict"]["y"])
    assert told == [line for line in lines if line in told] and all(len(line) <= 80 for line in told)


def test_what_is_positive_is_decided_at_the_threshold_that_is_asked_for(run: tw.Run, table: dict[str, np.ndarray]) -> None:
    rows = {name: table[name] for name in ("x", "z")}
    usual, tuned, low = (run.predict(rows, threshold=each).to_pydict() for each in (None, "tuned", 0.01))
    scores = np.array(usual["y_probability_late"])
    chosen = run.model.tuned["y"]["threshold"]
    for found, threshold in ((usual, 0.5), (tuned, chosen), (low, 0.01)):
        assert [each == "late" for each in found["y_prediction"]] == (scores >= threshold).tolist()
        assert found["y_probability_late"] == usual["y_probability_late"]
    assert 0 < chosen < 1 and run.model.tuned["y"]["f1"] >= run.model.tuned["y"]["f1_at_half"]


@pytest.mark.parametrize("given", ["best", 1.5, float("nan")])
def test_what_is_no_probability_is_no_threshold(run: tw.Run, given: Any) -> None:
    with pytest.raises(RequestError, match="no threshold") as refused:
        run.predict({"x": [0.1], "z": [0.2]}, threshold=given)
    assert "tuned" in refused.value.fix

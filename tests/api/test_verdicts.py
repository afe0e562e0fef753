"""A run on an uneven table with repeated rows: which number decides, on which rows, and what is said of it everywhere."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from tests.api.small_tables import QUICK

import trainwright as tw
from trainwright.config.errors import RequestError
from trainwright.domains.tables.show import _duplicate_lines, result_lines, verdict_lines
from trainwright.domains.tables.verdicts import _worth_tuning, tune_thresholds
from trainwright.metrics.outcome import Outcome


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
    assert (
        verdict["text"].startswith("Network or baseline: too few rows of 'late' to tell (") and f" of {verdict['rows']})" in verdict["text"]
    )
    assert verdict["standing"] == "too few" and verdict["beats"] is None and verdict["interval"] is None
    assert not any("threshold=tuned" in each for each in verdict["advice"])  # as few stand behind it
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
    assert lines[-2:] == ["go on:", run.results["go_on"]]  # whole, however long it is
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


def test_settings_that_are_pasted_stay_on_one_line() -> None:
    settings = "model.combiner=tabm model.combiner.members=32 model.combiner.width=256"
    lines = verdict_lines(
        {
            "text": "",
            "advice": [f"a larger network: {settings}", "decide otherwise with this model, which is here: predict --threshold tuned"],
        }
    )
    assert any(settings in line for line in lines) and any("predict --threshold tuned" in line for line in lines)
    assert lines[0].startswith("to try: ")


@pytest.mark.parametrize(
    ("positives", "f1", "of_all", "advised"),
    [(9, 0.8, 0.1, False), (10, 0.8, 0.1, True), (40, 0.00669, 0.00664, False), (40, 0.0, 0.0, False)],
)
def test_a_threshold_is_advised_where_it_finds_something(positives: int, f1: float, of_all: float, advised: bool) -> None:
    assert _worth_tuning({"positives": positives, "f1": f1, "f1_at_half": 0.0, "f1_of_all": of_all}) is advised


def test_a_threshold_that_calls_all_rows_positive_is_known_by_its_f1() -> None:
    truth = np.arange(200) % 20 == 0
    found = tune_thresholds({"y": Outcome("binary", truth, np.full(200, 0.3))})["y"]
    assert found["f1_of_all"] == pytest.approx(2 * 0.05 / 1.05) and found["positives"] == 10 and found["f1_at_half"] == 0


@pytest.mark.parametrize(
    ("seen", "compared", "said"),
    [
        ({"test": 70}, True, "the verdict is made from the others"),
        ({"test": 71}, True, "the verdict is made from all 100 test rows: the 29 others are too few to judge by"),
        ({"validation": 9}, True, "the verdict is made from the test rows, which are new"),
        ({"test": 70}, False, "no baseline is asked for, so there is no verdict, and what is measured is of all rows"),
    ],
)
def test_what_is_done_about_rows_that_are_known_is_said_as_it_will_be(seen: dict[str, int], compared: bool, said: str) -> None:
    def seen_of(split: str) -> np.ndarray:
        return np.arange(100) < seen.get(split, 0)

    prepared: Any = SimpleNamespace(
        seen={name: np.arange(count) for name, count in seen.items()},
        duplicates=SimpleNamespace(text="", train_rows=np.zeros(0)),
        table=SimpleNamespace(test=np.arange(100)),
        rows=lambda split: np.arange(100),
        seen_of=seen_of,
    )
    (line,) = _duplicate_lines(prepared, compared)
    assert line.endswith(f"have the inputs of a training row; {said}")


@pytest.mark.parametrize("given", ["best", 1.5, float("nan")])
def test_what_is_no_probability_is_no_threshold(run: tw.Run, given: Any) -> None:
    with pytest.raises(RequestError, match="no threshold") as refused:
        run.predict({"x": [0.1], "z": [0.2]}, threshold=given)
    assert "tuned" in refused.value.fix

import json
import math
import time
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import sklearn.metrics as reference
from hypothesis import given, settings
from hypothesis import strategies as st

from trainwright.domains.tables.analysis import Importance, analyse, describe, permutation_importance, worst_rows
from trainwright.domains.tables.analysis.plots import along, residuals
from trainwright.domains.tables.show_importance import importance_lines
from trainwright.features.spec import InputGroup
from trainwright.metrics import Outcome, compute_one, options

seeds = st.integers(0, 2**32 - 1)


def classes(seed: int, rows: int, count: int) -> Outcome:
    random = np.random.default_rng(seed)
    truth = random.integers(0, count, rows)
    scores = random.integers(1, 9, (rows, count)) + 6.0 * np.eye(count)[truth] * random.integers(0, 2, (rows, 1))
    kind = "binary" if count == 2 else "category"
    return Outcome(kind, truth, scores / scores.sum(axis=1, keepdims=True), [f"c{k}" for k in range(count)])


@settings(deadline=None, max_examples=30)
@given(seeds, st.integers(5, 200), st.integers(2, 5))
def test_confusion_and_class_rows_are_those_of_the_reference(seed: int, rows: int, count: int) -> None:
    outcome = classes(seed, rows, count)
    found = describe(outcome)
    assert found["confusion"] == reference.confusion_matrix(outcome.truth, outcome.labels, labels=range(count)).tolist()
    assert found["classes"] == outcome.classes
    support = [each["rows"] for each in found["per_class"]]
    assert support == np.bincount(outcome.truth, minlength=count).tolist()
    recall = reference.recall_score(outcome.truth, outcome.labels, labels=range(count), average=None, zero_division=0)
    assert [each["recall"] or 0.0 for each in found["per_class"]] == pytest.approx(recall.tolist())


@settings(deadline=None, max_examples=30)
@given(seeds, st.integers(10, 3000))
def test_curves_run_between_their_corners_and_hold_the_reference_area(seed: int, rows: int) -> None:
    outcome = classes(seed, rows, 2)
    if len(np.unique(outcome.truth)) < 2:
        return
    (roc,), (pr,) = describe(outcome)["roc"], describe(outcome)["pr"]
    assert roc["class"] == pr["class"] == "c1" and len(roc["fpr"]) == len(roc["tpr"]) <= 200
    assert (roc["fpr"][0], roc["tpr"][0], roc["fpr"][-1], roc["tpr"][-1]) == (0.0, 0.0, 1.0, 1.0)
    assert (np.diff(roc["fpr"]) >= 0).all() and (np.diff(roc["tpr"]) >= 0).all() and (np.diff(pr["recall"]) >= 0).all()
    assert roc["auc"] == pytest.approx(reference.roc_auc_score(outcome.truth, outcome.scores[:, 1]))
    assert np.trapezoid(roc["tpr"], roc["fpr"]) == pytest.approx(roc["auc"], abs=2e-3)
    assert pr["ap"] == pytest.approx(reference.average_precision_score(outcome.truth, outcome.scores[:, 1]))
    assert pr["recall"][-1] == 1.0


def test_long_curves_keep_their_shape_in_few_points() -> None:
    random = np.random.default_rng(0)
    truth = random.integers(0, 2, 50_000)
    outcome = Outcome("binary", truth, 1 / (1 + np.exp(-(truth + random.normal(size=50_000)))))
    (roc,) = describe(outcome)["roc"]
    assert 150 <= len(roc["fpr"]) <= 200
    assert np.trapezoid(roc["tpr"], roc["fpr"]) == pytest.approx(roc["auc"], abs=1e-3)
    assert along(np.zeros(1000), np.linspace(0, 1, 1000))[[0, -1]].tolist() == [0, 999]


def test_calibration_weighs_its_bins_to_the_error_of_the_metric() -> None:
    for outcome in (classes(0, 500, 2), classes(1, 500, 4)):
        found = describe(outcome)["calibration"]
        assert sum(each["count"] for each in found["bins"]) == 500
        assert found["ece"] == pytest.approx(compute_one(outcome, "ece"))
        assert found["ece"] == pytest.approx(
            sum(each["count"] * abs(each["confidence"] - each["frequency"]) for each in found["bins"]) / 500
        )


def test_the_threshold_table_is_that_of_the_reference() -> None:
    outcome = classes(3, 300, 2).at_threshold(0.3)
    found = describe(outcome, "f1")["threshold"]
    assert (found["value"], found["metric"]) == (0.3, "f1")
    for row in found["table"]:
        chosen = outcome.scores[:, 1] >= row["threshold"]
        assert row["accuracy"] == pytest.approx(reference.accuracy_score(outcome.truth, chosen))
        assert row["f1"] == pytest.approx(reference.f1_score(outcome.truth, chosen))
        assert row["share"] == pytest.approx(chosen.mean())


def test_many_classes_are_folded_into_the_frequent_ones() -> None:
    outcome = classes(0, 5000, 300)
    found = describe(outcome)
    assert len(found["confusion"]) == len(found["classes"]) == 100 and found["classes"][-1] == "201 other classes"
    assert np.sum(found["confusion"]) == 5000
    assert len(found["roc"]) == len(found["pr"]) == len(found["per_class"]) == 100


def test_numbers_have_points_and_residuals() -> None:
    random = np.random.default_rng(0)
    truth = random.normal(size=9000)
    found = describe(Outcome("number", truth, truth + 0.1))
    assert len(found["predicted_vs_true"]["truth"]) == 2000 and found == describe(Outcome("number", truth, truth + 0.1))
    assert found["confusion"] is None and found["roc"] == [] and found["calibration"] is None
    assert sum(found["residuals"]["counts"]) == 9000 and found["residuals"]["mean"] == pytest.approx(0.1)
    vector = describe(Outcome("vector", np.zeros((10, 2)), np.array([[3.0, 4.0]] * 10)))
    assert [each["rmse"] for each in vector["elements"]] == [3.0, 4.0]


@settings(deadline=None)
@given(st.lists(st.floats(-1e12, 1e12), min_size=1, max_size=50))
def test_residuals_count_every_row_whatever_they_are(errors: list[float]) -> None:
    found = residuals(np.array(errors))
    assert sum(found["counts"]) == len(errors) and len(found["edges"]) == len(found["counts"]) + 1
    assert found["edges"] == sorted(found["edges"])


def test_sets_have_a_curve_per_label_and_no_confusion() -> None:
    truth = np.random.default_rng(0).random((100, 3)) < [0.2, 0.5, 0.0]
    found = describe(Outcome("set", truth, 0.8 * truth + 0.1, ["a", "b", "never"]))
    assert [each["class"] for each in found["roc"]] == ["a", "b"] and found["confusion"] is None
    assert [each["f1"] for each in found["per_class"]] == [1.0, 1.0, None]


def test_scores_that_are_not_finite_leave_empty_plots() -> None:
    broken = Outcome("binary", [0, 1], [0.5, math.nan], ["no", "yes"])
    found = analyse({"y": broken}, np.arange(2))
    assert found["targets"]["y"]["confusion"] is None and found["targets"]["y"]["classes"] == ["no", "yes"]
    assert describe(Outcome("number", [], []))["rows"] == 0
    json.dumps(found, allow_nan=False)


def raw(rows: np.ndarray) -> pa.Table:
    return pa.table({"id": rows, "note": ["x" * 500 if k % 2 else None for k in rows], "price": [k / 3 for k in rows]})


def test_the_worst_rows_are_the_wrong_ones_of_largest_loss_with_their_values() -> None:
    outcome = Outcome("category", [0, 1, 2, 0], [[0.9, 0.1, 0], [0.7, 0.3, 0], [0.6, 0.39, 0.01], [0.4, 0.3, 0.3]], ["a", "b", "c"])
    found = worst_rows(outcome, np.array([10, 11, 12, 13]), read=raw)
    assert [(each["row"], each["truth"], each["prediction"]) for each in found] == [(12, "c", "a"), (11, "b", "a")]
    assert found[0]["loss"] == pytest.approx(-math.log(0.01))
    assert found[0]["values"] == {"id": "12", "note": "", "price": "4"} and len(found[1]["values"]["note"]) == 200
    given_losses = worst_rows(outcome, np.arange(4), np.array([9.0, 1.0, 2.0, math.nan]))
    assert [each["row"] for each in given_losses] == [2, 1]


def test_the_worst_rows_of_numbers_sets_and_vectors_are_told_in_words() -> None:
    number = worst_rows(Outcome("number", [1.0, 2.0, 3.0], [1.0, 5.0, 3.5]), np.arange(3), limit=2)
    assert [(each["row"], each["truth"], each["prediction"], each["loss"]) for each in number] == [(1, 2.0, 5.0, 3.0), (2, 3.0, 3.5, 0.5)]
    labels = Outcome("set", [[True, True], [True, False]], [[0.9, 0.8], [0.1, 0.2]], ["a", "b"])
    assert [(each["truth"], each["prediction"]) for each in worst_rows(labels, np.arange(2))] == [("a", "(none)")]
    vector = worst_rows(Outcome("vector", np.zeros((1, 10)), np.ones((1, 10))), np.arange(1))
    assert vector[0]["truth"] == "[0, 0, 0, 0, 0, 0, 0, 0, …]"


def two_columns(rows: int = 600) -> tuple[dict[str, np.ndarray], list[InputGroup], Outcome]:
    """A number that decides, one that does not, and a category with a little to say."""
    random = np.random.default_rng(0)
    blocks = {
        "number.value": random.normal(size=(rows, 2)).astype(np.float32),
        "number.missing": np.zeros((rows, 2), np.float32),
        "category.index": random.integers(0, 3, (rows, 1)),
    }
    groups = [
        InputGroup("number", "number", ["noise", "signal"], None, {"value": (2,), "missing": (2,)}),
        InputGroup("category", "category", ["hint"], None, {"index": (1,)}),
    ]
    truth = (3 * blocks["number.value"][:, 1] + (blocks["category.index"][:, 0] == 1) > 0).astype(int)
    return blocks, groups, Outcome("binary", truth, np.full(rows, 0.5))


def model(blocks: dict[str, np.ndarray]) -> dict[str, Any]:
    logit = 3 * blocks["number.value"][:, 1] + (blocks["category.index"][:, 0] == 1)
    positive = 1 / (1 + np.exp(-logit.astype(np.float64)))
    return {"y": np.stack([1 - positive, positive], axis=1)}


@pytest.mark.parametrize("metric", ["roc_auc", "log_loss", "accuracy"])
def test_the_column_that_decides_is_the_most_important_and_one_not_used_has_none(metric: str) -> None:
    blocks, groups, outcome = two_columns()
    before = {key: value.copy() for key, value in blocks.items()}
    found = permutation_importance(model, blocks, groups, {"y": outcome}, {"y": options(metric)})
    columns = {each["column"]: each for each in found.columns["y"]}
    assert [each["column"] for each in found.columns["y"]] == ["signal", "hint", "noise"]
    assert columns["signal"]["drop_mean"] > 0.3 and columns["noise"]["drop_mean"] == columns["noise"]["drop_std"] == 0.0
    assert found.settings == {"metric": {"y": metric}, "rows": 600, "repeats": 5, "left_out": []}
    assert all((blocks[key] == before[key]).all() for key in blocks)
    assert found == permutation_importance(model, blocks, groups, {"y": outcome}, {"y": options(metric)})


def test_importance_takes_few_rows_of_many_and_stops_in_time() -> None:
    blocks, groups, outcome = two_columns(5000)
    seen = []

    def slow(sample: dict[str, np.ndarray]) -> dict[str, Any]:
        seen.append(len(sample["number.value"]))
        time.sleep(0.02)
        return model(sample)

    found = permutation_importance(slow, blocks, groups, {"y": outcome}, max_rows=300, seconds=0.15)
    assert set(seen) == {300} and 1 <= found.settings["repeats"] < 5 and found.settings["rows"] == 300
    cut = permutation_importance(slow, blocks, groups, {"y": outcome}, max_rows=300, seconds=0.005)
    assert cut.settings["left_out"] and {each["column"] for each in cut.columns["y"]}.isdisjoint(cut.settings["left_out"])


def test_without_rows_or_columns_there_is_no_importance() -> None:
    blocks, groups, outcome = two_columns(10)
    assert permutation_importance(model, blocks, [], {"y": outcome}) == Importance()
    assert permutation_importance(model, blocks, groups, {"y": outcome.take(np.zeros(0, int))}) == Importance()


def test_the_whole_analysis_is_json_and_quick() -> None:
    blocks, groups, outcome = two_columns(1000)
    fitted = Outcome("binary", outcome.truth, model(blocks)["y"], ["no", "yes"])
    number = Outcome("number", outcome.truth.astype(float), fitted.scores[:, 1])
    importance = permutation_importance(model, blocks, groups, {"y": fitted})
    start = time.process_time()
    found = analyse({"y": fitted, "z": number}, np.arange(1000), raw, threshold_metrics={"y": "f1"}, importance=importance)
    assert time.process_time() - start < 0.3
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert list(found["targets"]) == list(found["worst"]) == ["y", "z"] and found["targets"]["y"]["threshold"]["metric"] == "f1"
    assert found["importance"]["y"][0]["column"] == "signal"


def test_importance_is_told_in_a_few_lines_that_fit_a_terminal() -> None:
    columns = [{"column": f"a_column_with_a_name_that_is_long_{n}", "drop_mean": 0.4 / (n + 1), "drop_std": 0.0123} for n in range(9)]
    columns.append({"column": "hurts", "drop_mean": -0.1, "drop_std": 0.0})
    found = {"importance": {"price": columns}, "importance_settings": {"metric": {"price": "r2"}}}
    text = "\n".join(importance_lines(found))
    lines = text.splitlines()
    assert lines[1] == "importance for price: how much r2 worsens when a column is shuffled"
    assert lines[3].split()[1:] == ["0.4000", "0.012", "█" * 20] and lines[4].count("█") == 10
    assert lines[-1] == "4 more columns are in the report" and len(lines) == 3 + 6 + 1
    assert max(map(len, lines)) <= 80
    several = "\n".join(importance_lines({"importance": dict.fromkeys("abcdef", columns)}))
    assert several.count("\nimportance for ") == 4 and several.count("a_column") == 4 * 3
    assert several.endswith("\nthe importance for 2 more targets is in the report")
    assert importance_lines({"importance": {"y": columns[-1:]}})[-1].splitlines()[-1].split()[:2] == ["hurts", "-0.1000"]
    assert importance_lines({}) == importance_lines({"importance": {"y": []}}) == []

import json
import math
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from sklearn.datasets import load_breast_cancer, load_digits, load_iris, load_linnerud
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.preprocessing import StandardScaler

import trainwright as tw
from trainwright.baselines import PARTS, BaselineResult, BaselineTarget, original_truth, run_baselines, verdict
from trainwright.baselines.inputs import InputColumns, code_counts, frequent_codes, series_summaries
from trainwright.config.errors import ConfigError
from trainwright.config.model import PartConfig
from trainwright.config.registry import options_class
from trainwright.features.spec import TargetSpec
from trainwright.metrics import Outcome, compute, default_metrics, options


def baseline(name: str, **values: Any) -> PartConfig:
    return PARTS[name].config.model_validate({"type": name, **values})


ALL = [baseline(name) for name in PARTS]


def thirds(count: int, seed: int = 0) -> dict[str, np.ndarray]:
    order = np.random.default_rng(seed).permutation(count)
    return {"train": order[: count // 2], "validation": order[count // 2 : 3 * count // 4], "test": order[3 * count // 4 :]}


def run(
    table: pa.Table,
    columns: Mapping[str, str | PartConfig],
    kind: str,
    truth: np.ndarray,
    baselines: list[PartConfig] | None = None,
    rows: dict[str, np.ndarray] | None = None,
) -> dict[str, BaselineResult]:
    rows = rows or thirds(len(table))
    width = truth.shape[1] if truth.ndim == 2 else int(truth.max()) + 1 if kind in ("binary", "category") else 1
    target = BaselineTarget("y", kind, width, {name: truth[each] for name, each in rows.items()})
    return run_baselines(baselines or ALL, lambda chosen, names: table.select(names).take(pa.array(chosen)), columns, [target], rows)


def numbers(matrix: np.ndarray) -> tuple[pa.Table, dict[str, str]]:
    names = [f"x{k}" for k in range(matrix.shape[1])]
    return pa.table(dict(zip(names, matrix.T.copy(), strict=True))), dict.fromkeys(names, "number")


@pytest.mark.parametrize(("load", "least"), [(load_breast_cancer, 0.93), (load_iris, 0.9)])
def test_real_classes_are_learnt(load: Any, least: float) -> None:
    data = load()
    kind = "binary" if len(data.target_names) == 2 else "category"
    found = run(*numbers(data.data), kind, data.target)
    assert list(found) == ["constant", "linear", "boosting"]
    for name in ("linear", "boosting"):
        assert found[name].metrics["test"]["y"]["accuracy"] >= least
        assert np.allclose(found[name].outcomes["test"]["y"].scores.sum(axis=1), 1.0)
    assert found["constant"].metrics["test"]["y"]["roc_auc"] == 0.5
    assert list(found["linear"].metrics["test"]["y"]) == [each.type for each in default_metrics(kind)]
    json.dumps({name: each.as_json() for name, each in found.items()})


def test_a_class_without_training_rows_gets_no_probability_and_keeps_the_order_of_the_others() -> None:
    data = load_iris()
    rows = thirds(150)
    rows["train"] = rows["train"][data.target[rows["train"]] != 1]
    found = run(*numbers(data.data), "category", data.target, rows=rows)
    for name in PARTS:
        outcome = found[name].outcomes["test"]["y"]
        assert outcome.scores.shape == (len(rows["test"]), 3) and (outcome.scores[:, 1] == 0).all()
        others = outcome.truth != 1
        assert name == "constant" or (outcome.labels[others] == outcome.truth[others]).mean() > 0.95


def test_the_linear_baseline_is_logistic_and_ridge_regression_on_standardised_columns() -> None:
    data = load_breast_cancer()
    rows = thirds(len(data.target))
    train, test = rows["train"], rows["test"]
    scaler = StandardScaler().fit(data.data[train])
    design, other = scaler.transform(data.data[train]), scaler.transform(data.data[test])
    expected = LogisticRegression(max_iter=200).fit(design, data.target[train]).predict_proba(other)
    found = run(*numbers(data.data), "binary", data.target, [baseline("linear")])
    assert found["linear"].outcomes["test"]["y"].scores == pytest.approx(expected, abs=1e-3)
    values = data.data[:, 3]
    found = run(*numbers(data.data[:, 4:]), "number", values, [baseline("linear", penalty=2.0)])
    ridge = Ridge(2.0).fit(StandardScaler().fit_transform(data.data[train, 4:]), values[train])
    scaled = StandardScaler().fit(data.data[train, 4:]).transform(data.data[test, 4:])
    assert found["linear"].outcomes["test"]["y"].scores == pytest.approx(ridge.predict(scaled), rel=1e-6)


def test_vectors_and_sets_are_learnt_output_by_output() -> None:
    data = load_linnerud()
    found = run(*numbers(data.data), "vector", data.target)
    assert all(found[name].outcomes["test"]["y"].scores.shape == (5, 3) for name in PARTS)
    assert found["constant"].outcomes["test"]["y"].scores[0] == pytest.approx(data.target[thirds(20)["train"]].mean(axis=0))
    digits = load_digits()
    labels = np.stack([digits.target % 2 == 0, digits.target > 4, np.zeros_like(digits.target, bool)], axis=1)
    found = run(*numbers(digits.data[:400]), "set", labels[:400])
    assert found["linear"].metrics["test"]["y"]["jaccard"] > 0.8 < found["boosting"].metrics["test"]["y"]["jaccard"]
    assert (found["boosting"].outcomes["test"]["y"].scores[:, 2] == 0).all()


def every_kind(rows: int = 240) -> tuple[pa.Table, dict[str, str], np.ndarray]:
    """Each column alone tells the class; values are missing here and there."""
    random = np.random.default_rng(0)
    truth = random.integers(0, 2, rows)
    gaps = random.random(rows) < 0.1
    words = np.array([["calm sea tonight", "grey dull morning"], ["storm over hills", "wild wind rising"]])[
        truth, random.integers(0, 2, rows)
    ]
    columns = {
        "number": pa.array(truth + 0.1 * random.normal(size=rows), mask=gaps),
        "binary": pa.array(np.array(["no", "yes"])[truth], mask=gaps),
        "category": pa.array(np.array(["a", "b"])[truth] + random.integers(0, 3, rows).astype(str), mask=gaps),
        "set": pa.array([None if gap else ["x", "z"] if each else ["y", "z"] for each, gap in zip(truth, gaps, strict=True)]),
        "bag": pa.array([f"{'u' if each else 'v'} w w" for each in truth]),
        "vector": pa.array([[float(each), 1.0] for each in truth]),
        "sequence": pa.array([["p", "q"] if each else ["q", "r"] for each in truth]),
        "text": pa.array(words),
        "date": pa.array(np.datetime64("2020-01-01") + truth * 200 + random.integers(0, 20, rows)),
        "timeseries": pa.array([[float(each)] * int(k) for each, k in zip(truth, random.integers(1, 9, rows), strict=True)]),
    }
    return pa.table(columns), {name: name for name in columns}, truth


@pytest.mark.parametrize("kind", ["number", "binary", "category", "set", "bag", "vector", "sequence", "text", "date", "timeseries"])
def test_a_column_of_every_type_can_be_learnt_from(kind: str) -> None:
    table, columns, truth = every_kind()
    found = run(table, {kind: columns[kind]}, "binary", truth)
    for name in ("linear", "boosting"):
        assert not found[name].note
        assert found[name].metrics["test"]["y"]["accuracy"] > 0.85, (name, found[name].note)


def test_columns_of_all_types_together_and_policies_that_refuse_missing_values_are_no_obstacle() -> None:
    table, columns, truth = every_kind()
    strict = {**columns, "number": options_class("feature", "number").model_validate({"type": "number", "missing": "error"})}
    found = run(table, strict, "binary", truth)
    assert found["linear"].metrics["test"]["y"]["accuracy"] > 0.97 < found["boosting"].metrics["test"]["y"]["accuracy"]


def test_nothing_is_learnt_from_rows_that_are_scored() -> None:
    table, columns, truth = every_kind()
    rows = thirds(len(table))
    before = run(table, columns, "binary", truth, rows=rows)
    strange = table.take(pa.array(rows["test"])).to_pylist()
    for row in strange:
        row |= {"number": 1e6, "category": "never seen", "set": ["new"], "text": "zebra"}
    changed = table.to_pylist()
    for place, row in zip(rows["test"], strange, strict=True):
        changed[place] = row
    after = run(pa.Table.from_pylist(changed, schema=table.schema), columns, "binary", truth, rows=rows)
    for name in PARTS:
        assert before[name].outcomes["validation"]["y"].scores == pytest.approx(after[name].outcomes["validation"]["y"].scores)


def test_columns_without_values_or_without_variation_do_no_harm() -> None:
    random = np.random.default_rng(1)
    x = random.normal(size=200)
    table = pa.table({"x": x, "empty": pa.array([None] * 200, pa.float64()), "same": [3.0] * 200, "odd": np.where(x > 2, np.inf, 1.0)})
    found = run(table, dict.fromkeys(table.column_names, "number"), "number", 2 * x)
    assert found["linear"].metrics["test"]["y"]["r2"] > 0.99
    assert found["boosting"].metrics["test"]["y"]["r2"] > 0.8


@pytest.mark.parametrize("known", [0, 1, 3])
def test_a_column_with_hardly_any_values_is_no_obstacle_to_stopping_early(known: int) -> None:
    random = np.random.default_rng(1)
    x, rare = random.normal(size=24_000), np.full(24_000, np.nan)
    rows = thirds(24_000)
    rare[rows["train"][:known]] = 1.0
    found = run(
        pa.table({"x": x, "rare": rare}), {"x": "number", "rare": "number"}, "number", x, [baseline("boosting", iterations=20)], rows
    )
    assert not found["boosting"].note and found["boosting"].metrics["test"]["y"]["r2"] > 0.9


def test_a_baseline_that_cannot_run_says_why_and_the_others_run() -> None:
    table, columns = numbers(np.random.default_rng(0).normal(size=(80, 2)))
    truth = np.random.default_rng(1).random((80, 40))
    found = run(table, columns, "vector", truth)
    assert found["boosting"].note == "not run for 'y' because one forest for each of 40 outputs would take minutes"
    assert not found["boosting"].outcomes and found["linear"].outcomes
    broken = run(pa.table({"x": ["1", "two"] * 40}), {"x": "number"}, "binary", np.arange(80) % 2)
    assert all(each.note.startswith("not run because column 'x' holds text that is not a number") for each in broken.values())


def test_without_a_column_that_it_reads_a_baseline_says_so_in_words() -> None:
    found = run(pa.table({"x": np.zeros(90)}), {}, "binary", np.arange(90) % 2)
    assert not found["constant"].note
    assert {found[name].note for name in ("linear", "boosting")} == {"not run for 'y' because there is no column that it reads"}


def test_fewer_training_rows_are_said() -> None:
    data = load_breast_cancer()
    found = run(*numbers(data.data), "binary", data.target, [baseline("linear", max_rows=50), baseline("boosting", max_rows=60)])
    assert found["linear"].note == "trained on 50 of 284 rows" and found["boosting"].note == "trained on 60 of 284 rows"
    assert found["linear"].as_json()["note"] == found["linear"].note


def test_rare_categories_share_what_is_learnt_and_many_of_them_stay_sparse() -> None:
    random = np.random.default_rng(0)
    names = random.integers(0, 3000, 6000)
    table = pa.table({"who": names.astype(str), "x": random.normal(size=6000)})
    found = run(table, {"who": "category", "x": "number"}, "binary", (table["x"].to_numpy() > 0).astype(int))
    assert found["linear"].metrics["test"]["y"]["accuracy"] > 0.95 < found["boosting"].metrics["test"]["y"]["accuracy"]


def test_results_repeat() -> None:
    table, columns, truth = every_kind()
    first, second = (run(table, columns, "binary", truth) for _ in range(2))
    assert all((first[name].outcomes["test"]["y"].scores == second[name].outcomes["test"]["y"].scores).all() for name in PARTS)


def test_series_are_summarised_by_what_they_hold() -> None:
    found = series_summaries(np.array([[1.0, 3.0, 99.0], [7.0, 0.0, 0.0], [0.0, 0.0, 0.0]]), np.array([2, 1, 0]))
    assert found[0].tolist() == [2.0, 1.0, 1.0, 3.0, 1.0, 3.0, 2.0]
    assert found[1].tolist() == [7.0, 0.0, 7.0, 7.0, 7.0, 7.0, 1.0]
    assert np.isnan(found[2, :6]).all() and found[2, 6] == 0


def test_codes_are_counted_by_row() -> None:
    codes = np.array([[3, 3, 0], [5, 3, 9]])
    chosen = frequent_codes(codes, 2, skip_zero=True)
    assert chosen.tolist() == [3, 5]
    assert code_counts(codes, chosen).toarray().tolist() == [[2, 0], [1, 1]]


def test_ignored_columns_are_not_read() -> None:
    assert InputColumns({"a": "number", "b": "ignore"}).names == ["a"]


def test_encoded_targets_come_back_in_their_units() -> None:
    price = TargetSpec("price", "number", 1, scale={"mean": 5.0, "std": 2.0, "transform": "log"})
    values = np.array([0.0, 10.0, 250.0])
    assert original_truth(price, (np.log1p(values) - 5.0) / 2.0) == pytest.approx(values)
    pair = TargetSpec("pair", "vector", 2, scale={"mean": [1.0, 2.0], "std": [3.0, 4.0], "transform": "none"})
    assert original_truth(pair, np.array([[0.0, 1.0]])).tolist() == [[1.0, 6.0]]
    assert original_truth(TargetSpec("c", "category", 3), np.array([2, 0])).tolist() == [2, 0]


def made(accuracy: float, seed: int, rows: int = 400) -> Outcome:
    truth = np.random.default_rng(0).integers(0, 2, rows)
    right = np.random.default_rng(seed).random(rows) < accuracy
    return Outcome("binary", truth, np.where(right, truth, 1 - truth) * 0.8 + 0.1)


def measured(name: str, outcome: Outcome, rows: np.ndarray | None = None) -> BaselineResult:
    return BaselineResult(name, {"test": {"y": outcome}}, rows={} if rows is None else {"test": rows})


def test_the_verdict_says_beats_on_par_or_behind() -> None:
    network = made(0.85, 1)
    rivals = {"constant": measured("constant", made(0.5, 2)), "linear": measured("linear", made(0.7, 3))}
    found = verdict("y", network, rivals)
    assert found["standing"] == "beats" and found["beats"] and found["name"] == "linear" and found["interval"][0] > 0
    assert found["text"].startswith("The network beats the best baseline (linear): accuracy 0.8")
    nearly = network.scores.copy()
    nearly[:9] = 1.0 - nearly[:9]
    found = verdict("y", network, {**rivals, "boosting": measured("boosting", Outcome("binary", network.truth, nearly))})
    assert found["standing"] == "on par" and found["beats"] is False and "which includes zero" in found["text"]
    found = verdict("y", network, {"boosting": measured("boosting", made(0.97, 5))}, options("log_loss"))
    assert found["standing"] == "behind" and found["metric"] == "log_loss" and found["difference"] > 0
    json.dumps(found, allow_nan=False)


def test_the_verdict_compares_on_the_rows_the_baseline_scored() -> None:
    network, rows = made(0.85, 1), np.arange(0, 400, 2)
    found = verdict("y", network, {"linear": measured("linear", made(0.85, 1).take(rows), rows)})
    assert found["difference"] == 0.0 and found["standing"] == "on par"


def test_without_baselines_or_with_undefined_metrics_there_is_no_verdict() -> None:
    assert verdict("y", made(0.9, 0), {})["text"] == "Not compared: no baseline could be measured."
    broken = Outcome("number", np.zeros(3), np.full(3, math.nan))
    fine = BaselineResult("linear", {"test": {"y": Outcome("number", np.zeros(3), np.ones(3))}})
    found = verdict("y", broken, {"linear": fine}, options("rmse"))
    assert found["beats"] is None and found["network"] is None


@pytest.mark.parametrize(("positives", "told"), [(0, True), (1, True), (9, True), (10, False)])
@pytest.mark.parametrize("ahead", [True, False])
def test_from_under_ten_rows_of_a_class_nothing_is_told(positives: int, told: bool, ahead: bool) -> None:
    truth = (np.arange(600) < positives).astype(int)
    right, wrong = (Outcome("binary", truth, scores, ["fine", "fraud"]) for scores in (truth * 0.8 + 0.1, 0.9 - truth * 0.8))
    network, other = (right, wrong) if ahead else (wrong, right)
    found = verdict("y", network, {"boosting": measured("boosting", other)}, options("accuracy"))
    assert (found["standing"] == "too few") is told and (f"too few rows of 'fraud' to tell ({positives} of 600)" in found["text"]) is told
    assert ("clearly better" in found["text"]) is (not told and not ahead)


def test_of_several_classes_a_rare_one_decides_only_where_each_counts_alike() -> None:
    truth = np.repeat([0, 1, 2], [300, 297, 3])
    rivals = {"linear": measured("linear", Outcome("category", truth, np.full((600, 3), 1 / 3)))}
    found = [
        verdict("y", Outcome("category", truth, np.eye(3)[truth]), rivals, options(name)) for name in ("accuracy", "balanced_accuracy")
    ]
    assert [each["standing"] for each in found] == ["beats", "too few"] and "too few rows of '2' to tell (3 of 600)" in found[1]["text"]


def test_metrics_of_a_baseline_are_those_asked_for() -> None:
    data = load_iris()
    table, columns = numbers(data.data)
    rows = thirds(150)
    asked = [options("mcc"), options("f1", average="micro")]
    target = BaselineTarget("y", "category", 3, {name: data.target[each] for name, each in rows.items()}, ["a", "b", "c"], asked)
    found = run_baselines([baseline("linear")], lambda chosen, names: table.select(names).take(pa.array(chosen)), columns, [target], rows)
    outcome = found["linear"].outcomes["test"]["y"]
    assert found["linear"].metrics["test"]["y"] == compute(outcome, asked) and outcome.classes == ["a", "b", "c"]


def test_the_table_of_baselines_loads_no_scikit_learn() -> None:
    code = "import sys, trainwright.baselines; assert not {'sklearn', 'numpy', 'torch', 'pyarrow'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_verdict_is_made_from_rows_whose_inputs_were_not_trained_on() -> None:
    """A baseline that knows the seen rows by heart and guesses the others is not better for it."""
    network, random = made(0.9, 0), np.random.default_rng(0)
    seen = np.arange(len(network)) % 3 == 0
    scores = np.where(seen, network.truth, random.random(len(network)))
    by_heart = measured("boosting", Outcome("binary", network.truth, scores))
    found = verdict("y", network, {"boosting": by_heart}, seen=seen)
    assert found["standing"] == "beats" and found["rows"] == int((~seen).sum()) and found["of"] == len(network)
    assert found["seen"]["baseline"] == 1.0 and found["best_baseline"] == found["seen"]["baseline_new"] < 0.6
    assert f"on the {int((~seen).sum())} others" in found["notes"][0]
    few = verdict("y", network, {"boosting": by_heart}, seen=np.arange(len(network)) >= 20)
    assert few["rows"] == len(network) and "too few to judge by" in few["notes"][0]
    sampled = np.arange(0, len(network), 2)
    part = measured("boosting", by_heart.outcomes["test"]["y"].take(sampled), sampled)
    assert verdict("y", network, {"boosting": part}, seen=seen)["seen"]["baseline"] == 1.0


def test_a_baseline_that_is_clearly_better_comes_first_and_one_that_saw_less_says_so() -> None:
    better = measured("boosting", made(0.97, 5))
    better.limits = ["trained on 20,000 of 90,000 rows"]
    found = verdict("y", made(0.7, 1), {"boosting": better})
    assert found["standing"] == "behind"
    assert found["text"].startswith("Boosting is clearly better than the network: accuracy 0.9")
    assert found["notes"] == ["boosting was trained on 20,000 of 90,000 rows: with all of it a baseline may be stronger."]


def test_a_baseline_is_given_columns_of_its_own(tmp_path: Path) -> None:
    """A column that the network is not given may be named; the others keep those of the network. What cannot be is refused early."""
    rng = np.random.default_rng(0)
    rule = rng.normal(size=200)
    table = pa.table({"noise": rng.normal(size=200), "rule": rule, "y": np.where(rule > 0, "a", "b")})
    baselines = ["linear", {"type": "linear", "columns": ["rule"]}]
    asked: dict[str, Any] = {"targets": ["y"], "ignore": ["rule"], "trainer": {"max_epochs": 1}}
    evaluation = {"baselines": baselines, "importance": False, "report": False}
    run = tw.train(table, evaluation=evaluation, run_dir=tmp_path / "run", **asked)
    found = {name: each["test"]["y"]["roc_auc"] for name, each in run.results["baselines"].items()}
    assert set(found) == {"linear", "linear of rule"}
    assert found["linear of rule"] > 0.99 > 0.8 > found["linear"]
    for columns, said in ((["rul"], "did you mean 'rule'"), (["y"], "which is a target")):
        with pytest.raises(ConfigError, match=r"a baseline is given") as error:
            tw.train(table, evaluation={"baselines": [{"type": "boosting", "columns": columns}]}, run_dir=tmp_path / "none", **asked)
        assert said in str(error.value)

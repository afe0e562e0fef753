"""Comparing runs and weights."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.numpy import save_file
from safetensors.torch import save_file as save_torch

from trainwright.api.compare import compare
from trainwright.config.errors import RequestError, RunError
from trainwright.runs.differences import changes
from trainwright.runs.directory import RunDirectory
from trainwright.runs.results import build_results
from trainwright.runs.weights import compare_weights

CONFIG = "trainer:\n  optimizer: {type: adamw, learning_rate: %s}\n  clip: null\nrun: {seed: %d}\n"


def make(
    path: Path, *, seed: int = 0, rate: float = 0.001, flips: int = 0, weights: dict[str, np.ndarray] | None = None, **outcome: Any
) -> RunDirectory:
    """A finished run of a binary target over 400 test rows, `flips` of them predicted wrongly."""
    with RunDirectory.create(str(path), path.name) as run:
        run.status = "finished"
        run.config.write_text(CONFIG % (rate, seed))
        run.write_json("code.json", {"commit": "abc" * 10, "branch": "main", "diff_sha256": None})
        run.write_json("environment.json", {"python": "3.11", "packages": {"torch": "2.13"}, "gpus": []})
        columns = [{"name": "x", "type": "number", "role": "input"}]
        source = {"name": "d.csv", "rows": 2000, "fingerprint": {"path": str(path), "sha256": "f" * 64}}
        run.write_json("data.json", {"source": source, "columns": columns, "split": {"method": "random", "seed": seed, "test": 400}})
        pq.write_table(pa.table({"row": np.arange(2000), "split": np.array(["train", "test"])[(np.arange(2000) + seed) % 2]}), run.splits)
        truth = np.arange(400) % 2
        guess = np.where(np.arange(400) < flips, 1 - truth, truth)
        metrics = {"accuracy": 1 - flips / 400, "log_loss": 0.1 + flips / 400}
        run.write_json("results.json", build_results(metrics={"test": {"y": metrics}, "validation": {"y": {"accuracy": 0.9}}}))
        run.outcomes.mkdir()
        saved = {
            "rows": np.arange(400),
            "truth": truth,
            "scores": np.where(guess == 1, 0.9, 0.1),
            "target": np.array("y"),
            "kind": np.array("binary"),
        }
        np.savez(run.outcomes / "y.npz", **{**saved, "classes": np.array(["no", "yes"]), "threshold": np.array(0.5), **outcome})
        run.model.mkdir()
        save_file(
            weights or {"w": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.zeros(2, np.float32)}, run.model / "model.safetensors"
        )
    return run


def test_a_run_is_identical_to_its_repetition(tmp_path: Path) -> None:
    found = compare(make(tmp_path / "a").path, make(tmp_path / "b").path)
    assert found.identical and found.exit_code == 0 and not found.notes
    assert (found.config, found.code, found.environment, found.data) == ([], [], [], [])
    assert "identical, bit for bit: 2 tensors, 8 numbers" in found.render()
    assert all(each.difference == 0 for each in found.metrics)


def test_what_differs_is_named_with_both_values(tmp_path: Path) -> None:
    found = compare(make(tmp_path / "a").path, make(tmp_path / "b", seed=1, rate=0.01).path)
    assert {each.name: (each.first, each.second) for each in found.config} == {
        "trainer.optimizer.learning_rate": (0.001, 0.01), "run.seed": (0, 1),
    }  # fmt: skip
    assert {each.name for each in found.data} == {"split.seed", "splits.parquet: split"}
    text = found.render()
    assert "different test rows (0 of 1,000 and 1,000 are in both); data.split.seed=0 in both" in text
    assert "trainer.optimizer.learning_rate  0.001 → 0.01" in text and "differs in 2,000 of 2,000 rows" in text


@pytest.mark.parametrize(
    ("states", "said"),
    [
        (({"commit": None}, {"commit": None}), "code: not known"),
        (({"commit": None, "source_sha256": "a"}, {"commit": None, "source_sha256": "a"}), "code: Trainwright's is the same; that of the"),
        (({"commit": None, "source_sha256": "a"}, {"commit": None, "source_sha256": "b"}), "Trainwright's source  a → b"),
        (({"commit": "c", "source_sha256": "a"}, {"commit": "c"}), "code: the same"),
    ],
)
def test_code_is_the_same_only_where_that_is_known(states: tuple[dict[str, Any], ...], said: str, tmp_path: Path) -> None:
    runs = [make(tmp_path / name) for name in ("a", "b")]
    for run, state in zip(runs, states, strict=True):
        run.write_json("code.json", state)
    assert said in compare(runs[0].path, runs[1].path).render()


def test_the_same_rows_give_an_interval_of_the_paired_difference(tmp_path: Path) -> None:
    found = compare(make(tmp_path / "a").path, make(tmp_path / "b", flips=40).path)
    by_name = {(each.split, each.metric): each for each in found.metrics}
    accuracy = by_name["test", "accuracy"]
    assert accuracy.low is not None and accuracy.high is not None and accuracy.difference is not None
    assert accuracy.low < accuracy.difference < accuracy.high < 0
    assert accuracy.verdict == "first better"
    assert by_name["test", "log_loss"].verdict == "first better"
    assert by_name["validation", "accuracy"].low is None


def test_the_order_in_which_rows_were_saved_does_not_matter(tmp_path: Path) -> None:
    order = np.random.default_rng(0).permutation(400)
    truth = np.arange(400) % 2
    shuffled = {"rows": order, "truth": truth[order], "scores": np.where(truth[order] == 1, 0.9, 0.1)}
    found = compare(make(tmp_path / "a", flips=40).path, make(tmp_path / "b", **shuffled).path)
    assert next(each.verdict for each in found.metrics if each.metric == "accuracy") == "second better"


def test_different_rows_give_no_interval(tmp_path: Path) -> None:
    found = compare(make(tmp_path / "a").path, make(tmp_path / "b", rows=np.arange(400) + 1).path)
    assert all(each.low is None for each in found.metrics)


def test_the_largest_difference_of_weights_is_named(tmp_path: Path) -> None:
    weights = {"w": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.array([0, 0.5], np.float32)}
    found = compare(make(tmp_path / "a").path, make(tmp_path / "b", weights=weights).path)
    assert found.exit_code == 1
    assert found.weights is not None and found.weights.largest == ("b", 0.5)
    assert found.to_dict()["weights"]["largest"] == {"tensor": "b", "difference": 0.5}


def test_missing_extra_and_reshaped_tensors_are_named(tmp_path: Path) -> None:
    save_file({"a": np.zeros(2, np.float32), "c": np.zeros((2, 3), np.float32)}, tmp_path / "1.safetensors")
    save_file({"b": np.zeros(2, np.float32), "c": np.zeros((3, 2), np.float32)}, tmp_path / "2.safetensors")
    found = compare(tmp_path / "1.safetensors", tmp_path / "2.safetensors", weights_only=True)
    text = found.render()
    assert not found.identical
    assert "missing in the second: a" in text and "only in the second: b" in text and "c: F32 [2, 3] → F32 [3, 2]" in text


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64, torch.int64, torch.uint8, torch.bool])
def test_the_difference_agrees_with_torch_for_every_type(tmp_path: Path, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    a, b = ((torch.randn(50) * 3).clamp(min=0).to(dtype) for _ in range(2))
    save_torch({"w": a}, tmp_path / "a.safetensors")
    save_torch({"w": b}, tmp_path / "b.safetensors")
    assert compare_weights(tmp_path / "a.safetensors", tmp_path / "b.safetensors").changed == {
        "w": (a.double() - b.double()).abs().max().item()
    }
    assert compare_weights(tmp_path / "a.safetensors", tmp_path / "a.safetensors").identical


def test_nan_equals_nan_and_nothing_else(tmp_path: Path) -> None:
    save_file({"w": np.array([np.nan, np.inf, 1], np.float32)}, tmp_path / "a.safetensors")
    save_file({"w": np.array([np.nan, np.inf, 2], np.float32)}, tmp_path / "b.safetensors")
    save_file({"w": np.array([0, np.inf, 1], np.float32)}, tmp_path / "c.safetensors")
    assert compare_weights(tmp_path / "a.safetensors", tmp_path / "a.safetensors").identical
    assert compare_weights(tmp_path / "a.safetensors", tmp_path / "b.safetensors").largest == ("w", 1.0)
    assert "NaN on one side" in compare_weights(tmp_path / "a.safetensors", tmp_path / "c.safetensors").lines()[0]


def test_empty_files_and_scalars_are_compared(tmp_path: Path) -> None:
    save_file({}, tmp_path / "a.safetensors")
    save_file({"s": np.array(1, np.float32), "e": np.empty((0, 3), np.float32)}, tmp_path / "b.safetensors")
    assert compare_weights(tmp_path / "a.safetensors", tmp_path / "a.safetensors").identical
    assert compare_weights(tmp_path / "b.safetensors", tmp_path / "b.safetensors").parameters == 1


def test_damaged_weights_are_explained(tmp_path: Path) -> None:
    (tmp_path / "a.safetensors").write_bytes(b"nonsense" * 10)
    with pytest.raises(RunError, match="cannot be read"):
        compare(tmp_path / "a.safetensors", tmp_path / "a.safetensors")
    with pytest.raises(RunError, match="no such run"):
        compare(tmp_path / "nothing", tmp_path / "nothing")


def test_a_run_without_weights_is_compared_in_all_else(tmp_path: Path) -> None:
    a, b = make(tmp_path / "a"), make(tmp_path / "b", rate=0.1)
    (b.model / "model.safetensors").unlink()
    found = compare(a.path, b.path)
    assert not found.identical and "no weights here yet" in found.render() and found.config
    with pytest.raises(RunError, match="no weights"):
        compare(a.path, b.path, weights_only=True)


def test_a_run_and_a_file_are_compared_by_weights_alone(tmp_path: Path) -> None:
    run = make(tmp_path / "a")
    found = compare(run.path, run.model / "model.safetensors")
    assert found.identical and found.weights_only and "only their weights" in found.render()


def test_nested_settings_are_named_by_dotted_keys() -> None:
    first, second = {"a": {"b": [1], "c": [{"d": 1}], "e": {"f": 1, "g": 2}}}, {"a": {"b": [2], "c": [{"d": 2}]}}
    found = {each.name: (each.first, each.second) for each in changes(first, second)}
    assert found == {"a.b": ([1], [2]), "a.c.0.d": (1, 2), "a.e": ({"f": 1, "g": 2}, "–")}
    assert [each.name for each in changes({"a": 1, "b": True}, {"a": 1.0, "b": 1})] == ["b"]


def test_comparing_imports_no_torch(tmp_path: Path) -> None:
    path = make(tmp_path / "a").path
    script = "import sys; from trainwright.api.compare import compare; "
    script += f"compare({str(path)!r}, {str(path)!r}).render(); print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout == "False\n"


def test_a_comparison_begins_with_which_run_is_better_and_whether_that_is_chance(tmp_path: Path) -> None:
    good, bad, other = make(tmp_path / "a"), make(tmp_path / "b", flips=40), make(tmp_path / "c", flips=41)
    lines = compare(good.path, bad.path).render().splitlines()
    assert lines[0] == "the first is better: accuracy of y is 1 and 0.9 on the same 400 test rows"
    assert re.fullmatch(r"  second − first: -0\.1, 95 % interval -0\.1\d+ to -0\.0\d+", lines[1]), lines[1]
    assert f"first:  {good.path}" in lines[:5]
    assert compare(bad.path, good.path).conclusions[0].better == "second"
    text = compare(bad.path, other.path).render()
    assert text.startswith("no clear difference: accuracy of y is 0.9 and 0.8975 on") and "which includes zero" in text.splitlines()[1]
    same = compare(good.path, good.path).render().splitlines()
    assert same[0] == "equal: accuracy of y is 1 and 1 on the same 400 test rows" and same[2] == "the weights are identical"
    order = [text.index(each) for each in ("configuration", "metrics of test", "data:", "code:", "environment:", "weights:")]
    assert order == sorted(order)


def test_the_metric_that_a_verdict_was_made_of_is_the_one_that_is_told(tmp_path: Path) -> None:
    a, b = make(tmp_path / "a"), make(tmp_path / "b", flips=40)
    results = a.read_json("results.json")
    a.write_json("results.json", {**results, "verdict": {"y": {"metric": "log_loss"}}})
    found = compare(a.path, b.path)
    assert found.conclusions[0].change.metric == "log_loss" and found.conclusions[0].better == "first"


@pytest.mark.parametrize(
    ("outcome", "why"),
    [
        ({"rows": np.arange(400) + 100}, "their test rows differ (400 and 400, of which 300 are in both)"),
        ({"truth": 1 - np.arange(400) % 2}, "the same rows have other true values: the data differ"),
        ({"classes": np.array(["no", "perhaps"])}, "the target is not of the same type and classes in both"),
        (None, "no predictions of single rows are kept"),
    ],
)
def test_why_chance_is_not_known_is_said(outcome: dict[str, Any] | None, why: str, tmp_path: Path) -> None:
    a, b = make(tmp_path / "a"), make(tmp_path / "b", flips=40, **(outcome or {}))
    if outcome is None:
        (b.outcomes / "y.npz").unlink()
    found = compare(a.path, b.path)
    assert found.conclusions[0].better == "" and not found.conclusions[0].to_dict()["same_rows"]
    assert found.render().splitlines()[0] == "the first has the better number: accuracy of y is 1 and 0.9 on test rows"
    assert found.render().splitlines()[1] == f"  second − first: -0.1; whether that is more than chance is not known: {why}"


@pytest.mark.parametrize("weights", [("", "data: {weights: w}\n"), ("data: {weights: w}\n", "data: {weights: v}\n"), ("", "")])
def test_numbers_of_rows_that_count_otherwise_are_not_compared(weights: tuple[str, str], tmp_path: Path) -> None:
    a, b = make(tmp_path / "a"), make(tmp_path / "b", flips=40)
    if not any(weights):  # the same settings, and weights of other values
        with np.load(b.outcomes / "y.npz") as kept:
            saved = dict(kept)
        np.savez(b.outcomes / "y.npz", **{**saved, "weights": np.arange(400) + 1.0})
    for run, more in zip((a, b), weights, strict=True):
        run.config.write_text(run.config.read_text() + more)
    found = compare(a.path, b.path)
    lines = found.render().splitlines()
    assert lines[0] == "not comparable: accuracy of y is 1 and 0.9 on test rows" and "rows do not count the same in both" in lines[1]
    assert "better" not in "".join(lines[:3]) and "chance" not in "".join(lines[:3])
    assert found.conclusions[0].better == "" and not found.conclusions[0].to_dict()["comparable"]
    assert all(each.low is None for each in found.metrics)


def test_weights_in_another_unit_count_alike_and_few_rows_of_a_class_tell_nothing(tmp_path: Path) -> None:
    weights, truth = np.arange(400) + 1.0, (np.arange(400) < 3).astype(int)
    a, b = make(tmp_path / "a"), make(tmp_path / "b")
    for run, unit in ((a, 1.0), (b, 7.0)):
        with np.load(run.outcomes / "y.npz") as kept:
            saved = dict(kept)
        np.savez(run.outcomes / "y.npz", **{**saved, "weights": weights * unit})
    assert compare(a.path, b.path).conclusions[0].pairing.same
    for run, scores in ((a, truth * 0.8 + 0.1), (b, np.full(400, 0.1))):
        np.savez(run.outcomes / "y.npz", **{**saved, "truth": truth, "scores": scores})
    found = compare(a.path, b.path).conclusions[0]
    assert found.better == "" and found.to_dict()["why"] == "too few rows of 'yes' to tell (3 of 400)"


def test_metrics_of_a_system_of_ones_own_are_compared_too(tmp_path: Path) -> None:
    a, b = make(tmp_path / "a"), make(tmp_path / "b")
    for run, loss in ((a, 0.5), (b, 0.25)):
        run.write_json("results.json", build_results(metrics={"validation": {"target": {}, "loss": loss, "psnr": 3.0}}))
    found = compare(a.path, b.path)
    assert {each.metric: each.difference for each in found.metrics} == {"loss": -0.25, "psnr": 0.0}
    assert found.render().startswith("the second has the better number: loss is 0.5 and 0.25 on validation rows\n")


@pytest.mark.parametrize(
    ("tolerance", "beyond"),
    [
        (0.11, []),
        ("0.11", []),
        ("11%", ["test y log_loss differs by +0.1 (11% allowed)"]),
        ("200%", []),
        (["0.11", "accuracy=0.05"], ["test y accuracy differs by -0.1 (0.05 allowed)"]),
        (["accuracy=20%"], []),
        (0, ["test y accuracy differs by -0.1 (0 allowed)", "test y log_loss differs by +0.1 (0 allowed)"]),
    ],
)
def test_a_tolerance_decides_the_exit_code_by_metrics_whatever_the_weights_are(tolerance: Any, beyond: list[str], tmp_path: Path) -> None:
    other = {"w": np.ones((2, 3), np.float32), "b": np.zeros(2, np.float32)}
    found = compare(make(tmp_path / "a").path, make(tmp_path / "b", flips=40, weights=other).path, tolerance=tolerance)
    assert found.beyond == found.to_dict()["beyond_tolerance"] == beyond
    assert found.exit_code == bool(beyond)
    assert ("all is within the tolerance" in found.render()) == (not beyond)


def test_a_metric_that_one_run_alone_has_or_that_is_undefined_is_beyond_a_tolerance(tmp_path: Path) -> None:
    a, b = make(tmp_path / "a"), make(tmp_path / "b")
    a.write_json("results.json", build_results(metrics={"test": {"y": {"accuracy": 1.0, "f1": None}}}))
    b.write_json("results.json", build_results(metrics={"test": {"y": {"f1": 0.5}}}))
    assert compare(a.path, b.path, tolerance=1.0).beyond == [
        "test y f1 is undefined in one (1 allowed)",
        "test y accuracy is in the first alone",
    ]


@pytest.mark.parametrize(("tolerance", "within"), [(0.5, True), (0.49, False), ("10%", True), ("9%", False)])
def test_weights_take_a_tolerance_a_share_being_of_the_largest_value(tolerance: Any, within: bool, tmp_path: Path) -> None:
    weights = {"w": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.zeros(2, np.float32)}
    changed = {**weights, "w": weights["w"] + np.array([[0, 0, 0], [0, 0, 0.5]], np.float32)}
    found = compare(make(tmp_path / "a").path, make(tmp_path / "b", weights=changed).path, weights_only=True, tolerance=tolerance)
    assert (found.exit_code == 0) == within and not found.identical
    missing = compare(make(tmp_path / "c").path, make(tmp_path / "d", weights={"w": weights["w"]}).path, weights_only=True, tolerance=9.0)
    assert missing.beyond == ["1 tensors are not in both alike, as b"]


@pytest.mark.parametrize(
    ("tolerance", "what"),
    [
        ("much", "'much' is no tolerance"),
        ("-1", "no tolerance"),
        ("nan", "no tolerance"),
        (["1", "2"], "two tolerances"),
        ("acuracy=1", "no metric"),
    ],
)
def test_a_tolerance_that_is_none_is_refused_with_what_is_one(tolerance: Any, what: str, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=what) as caught:
        compare(make(tmp_path / "a").path, make(tmp_path / "b").path, tolerance=tolerance)
    assert caught.value.fix


def test_lines_of_a_comparison_fit_a_terminal(tmp_path: Path) -> None:
    a, b = make(tmp_path / "a"), make(tmp_path / "b", flips=40)
    for run, extra in ((a, 0.123456), (b, 0.234567)):
        results = run.read_json("results.json")
        results["metrics"]["test"]["y"] |= {"balanced_accuracy": extra, "average_precision": extra}
        run.write_json("results.json", results)
    table = [line for line in compare(a.path, b.path).render().splitlines() if line.startswith("  ")]
    assert max(map(len, table)) <= 80

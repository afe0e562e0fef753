from __future__ import annotations

import numpy as np
import pytest

from trainwright.deploy.int8.gate import judge_answers, judge_metrics, measure_loss


def test_points_of_accuracy_are_what_decides_and_r2_for_numbers():
    run = {"kind": {"roc_auc": 0.99, "accuracy": 0.970}, "price": {"rmse": 3.0, "r2": 0.80}}
    artifact = {"kind": {"roc_auc": 0.90, "accuracy": 0.966}, "price": {"rmse": 3.1, "r2": 0.792}}
    gate = judge_metrics(run, artifact, 0.5)
    assert {each.of: round(each.points, 6) for each in gate.losses} == {"kind.accuracy": 0.4, "price.r2": 0.8}
    assert not gate.passed and gate.worst.of == "price.r2"
    assert judge_metrics(run, artifact, 0.8 + 1e-9).passed
    assert gate.as_json()["passed"] is False


def test_a_gain_is_no_loss_and_no_number_is_none():
    assert measure_loss("kind.accuracy", 0.9, 0.92).points == pytest.approx(-2)
    assert judge_metrics({"kind": {"accuracy": 0.9}}, {"kind": {"accuracy": 0.95}}, 0.0).passed
    assert not judge_metrics({"kind": {"accuracy": 0.9}}, {"kind": {"accuracy": float("nan")}}, 100.0).passed


def test_of_an_error_points_are_percent_of_what_it_was():
    assert measure_loss("price.rmse", 4.0, 4.1).points == pytest.approx(2.5)
    assert measure_loss("price.rmse", 4.0, 3.9).points == pytest.approx(-2.5)
    assert judge_metrics({"price": {"rmse": 4.0}}, {"price": {"rmse": 4.1}}, 0.5).worst.points == pytest.approx(2.5)


def test_without_truth_changed_decisions_count_and_of_numbers_the_variance_that_is_lost():
    run, other = np.array(list("aabbab"), object), np.array(list("aabbaa"), object)
    share = np.linspace(0, 1, 6)
    gate = judge_answers({"kind": (run, other), "probability": (share, share + 1)}, 20.0)
    assert [(each.of, round(each.points, 4)) for each in gate.losses] == [("kind: equal decisions", 16.6667)]
    made = np.random.default_rng(0).normal(0, 1, 4000)
    apart = judge_answers({"price": (made, made + 0.1 * made.std() * np.sign(made - made.mean()))}, 0.5)
    assert apart.worst.points == pytest.approx(1.0, abs=0.02), "a tenth of the spread is a hundredth of the variance"
    assert judge_answers({"price": (np.array([1.0, np.nan]), np.array([1.0, 2.0]))}, 0.5).worst.points == 100.0
    assert judge_answers({"price": (np.ones(3), np.ones(3))}, 0.5).passed

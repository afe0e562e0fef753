"""Intervals drawn by groups: as of draws made one by one, as wide as rows that repeat each other need, in little memory."""

import tracemalloc

import numpy as np
import pytest

from trainwright.baselines.comparison import verdict
from trainwright.baselines.run import BaselineResult
from trainwright.metrics import Outcome, compute_one, difference_interval, from_label, intervals
from trainwright.metrics.by_class import by_class
from trainwright.metrics.evaluate import instance
from trainwright.metrics.group_bootstrap import GroupResampler
from trainwright.runs.results_in_words import say_absent, say_groups

METRICS = ["f1", "f1_micro", "average_precision", "roc_auc", "average_precision_micro", "jaccard", "hamming", "mcc", "ranking_loss"]


def rows_of(patients: int, seed: int, labels: int = 4, most: int = 5) -> tuple[Outcome, np.ndarray]:
    """Patients with one to `most` rows, that are much alike within a patient."""
    random = np.random.default_rng(seed)
    groups = np.repeat(np.arange(patients), random.integers(1, most + 1, patients))
    truth = (random.random((patients, labels)) < 0.3)[groups] ^ (random.random((len(groups), labels)) < 0.05)
    scores = np.clip(0.25 + 0.4 * truth + (random.normal(size=(patients, labels)) * 0.25)[groups], 0.001, 0.999)
    return Outcome("set", truth, np.round(scores, 2)), groups


@pytest.mark.parametrize("name", METRICS)
def test_a_draw_of_groups_is_the_metric_of_all_their_rows(name: str) -> None:
    outcome, groups = rows_of(40, 0)
    values = GroupResampler(groups, 100, seed=3).values(instance(name, "set"), outcome)
    drawn = np.random.default_rng(3).integers(0, 40, (100, 40))
    expected = [compute_one(outcome.take(np.concatenate([np.flatnonzero(groups == each) for each in row])), name) for row in drawn]
    assert values == pytest.approx(np.array(expected), abs=1e-9, nan_ok=True)


def test_the_interval_is_the_percentiles_of_the_draws_and_the_same_for_the_same_seed() -> None:
    outcome, groups = rows_of(60, 1)
    low, high = intervals(outcome, ["average_precision"], groups=groups, seed=5)["average_precision"]
    values = GroupResampler(groups, 1000, seed=5).values(instance("average_precision", "set"), outcome)
    assert len(values) == 1000
    assert (low, high) == pytest.approx(tuple(np.quantile(values, [0.025, 0.975])), abs=1e-12)
    assert intervals(outcome, ["average_precision"], groups=groups, seed=5)["average_precision"] == (low, high)
    narrow = intervals(outcome, ["average_precision"], groups=groups, seed=5, level=0.5)["average_precision"]
    assert low < narrow[0] < narrow[1] < high


def test_draws_made_some_at_a_time_are_those_made_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    outcome, groups = rows_of(50, 2)
    at_once = intervals(outcome, METRICS, groups=groups)
    monkeypatch.setattr("trainwright.metrics.group_bootstrap.CELLS", 700)
    some = intervals(outcome, METRICS, groups=groups)
    for name, bounds in at_once.items():
        assert some[name] == pytest.approx(bounds, abs=1e-12)


def test_rows_that_repeat_each_other_need_wider_intervals_than_rows_drawn_by_themselves_give() -> None:
    values = [compute_one(rows_of(80, seed, most=8)[0], "f1") for seed in range(150)]
    spread = float(np.subtract(*np.quantile(values, [0.975, 0.025])))
    widths = {True: [], False: []}
    for seed in range(8):
        outcome, groups = rows_of(80, seed, most=8)
        for by_patient in widths:
            low, high = intervals(outcome, ["f1"], groups=groups if by_patient else None)["f1"]
            widths[by_patient].append(high - low)
    assert np.mean(widths[True]) == pytest.approx(spread, rel=0.2)
    assert np.mean(widths[False]) < 0.75 * spread


def test_a_class_that_draws_lack_is_left_out_of_their_means_and_counted() -> None:
    truth = np.zeros((30, 3), bool)
    truth[0, 0], truth[:15, 1], truth[:, 2] = True, True, np.arange(30) % 2 == 0
    outcome = Outcome("set", truth, np.random.default_rng(0).random((30, 3)), ["rare", "half", "other"])
    groups = np.arange(30)
    resampler = GroupResampler(groups, 1000, seed=0, by="patient")
    values = resampler.values(instance("average_precision", "set"), outcome)
    drawn = np.random.default_rng(0).integers(0, 30, (1000, 30))
    lacking = ~(drawn == 0).any(axis=1)
    assert resampler.absent(outcome) == {"rare": int(lacking.sum())} and 300 < lacking.sum() < 420
    assert not np.isnan(values).any()
    alone = Outcome("set", truth[:, 1:], outcome.scores[:, 1:])
    without = GroupResampler(groups, 1000, seed=0).values(instance("average_precision", "set"), alone)
    assert values[lacking] == pytest.approx(without[lacking], abs=1e-12)
    told = say_groups({**resampler.describe(), "absent": resampler.absent(outcome)})
    assert told.startswith("Intervals: 1,000 draws of 30 values of 'patient', each with all its rows; undefined") and "rare in 3" in told


def test_one_group_has_no_interval() -> None:
    outcome, _ = rows_of(10, 3)
    assert np.isnan(intervals(outcome, ["f1"], groups=np.zeros(len(outcome), np.int64))["f1"]).all()


def test_a_difference_of_two_models_is_drawn_by_the_same_groups() -> None:
    outcome, groups = rows_of(60, 4)
    worse = Outcome("set", outcome.truth, np.clip(outcome.scores + 0.3 * np.random.default_rng(1).normal(size=outcome.scores.shape), 0, 1))
    found = difference_interval(outcome, worse, "average_precision", groups=groups)
    assert found.low < found.value < found.high and found.clear
    resampler = GroupResampler(groups, 1000)
    metric = instance("average_precision", "set")
    values = resampler.values(metric, outcome) - resampler.values(metric, worse)
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(values, [0.025, 0.975])), abs=1e-12)


def test_memory_does_not_grow_with_rows_times_draws() -> None:
    outcome, groups = rows_of(4000, 5, labels=6, most=2)
    everything = 1000 * len(outcome) * 8
    tracemalloc.start()
    intervals(outcome, ["f1", "roc_auc"], groups=groups)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert everything > 45e6 and peak < 100e6  # a piece of the draws and its temporaries, whatever the rows


def test_very_many_rows_are_left_out_part_by_part_as_wide_as_draws_are(monkeypatch: pytest.MonkeyPatch) -> None:
    outcome, groups = rows_of(500, 6)
    low, high = intervals(outcome, ["roc_auc"], groups=groups)["roc_auc"]
    monkeypatch.setattr("trainwright.metrics.group_bootstrap.VISITED", 1000)
    resampler = GroupResampler(groups)
    left, right = intervals(outcome, ["roc_auc"], resampler=resampler)["roc_auc"]
    assert resampler.describe()["jackknife"] == 20
    assert right - left == pytest.approx(high - low, rel=0.5)
    assert intervals(outcome, ["roc_auc"], groups=groups, resamples=1000)["roc_auc"] == (low, high)


def test_means_say_over_how_many_classes_they_are_and_name_those_that_are_absent() -> None:
    truth = np.zeros((20, 4), bool)
    truth[::2, 0], truth[::3, 1], truth[:, 3] = True, True, True
    scores = np.random.default_rng(0).random((20, 4)) * 0.4
    scores[:, 3] = 0.9
    outcome = Outcome("set", truth, scores, ["a", "b", "never", "always"])
    found = by_class(outcome, [from_label(each) for each in ("f1", "roc_auc", "average_precision", "hamming")])
    assert found["absent"] == ["never"] and found["everywhere"] == ["always"]
    assert found["over"] == {"f1": 3, "roc_auc": 2, "average_precision": 3}
    assert found["of"]["a"]["rows"] == 10 and np.isnan(found["of"]["never"]["average_precision"])
    assert found["of"]["b"]["roc_auc"] == pytest.approx(compute_one(Outcome("binary", truth[:, 1], scores[:, 1]), "roc_auc"))
    told = say_absent("diagnosis", "test", found)
    assert told[0] == "1 of 4 classes of 'diagnosis' is in no test row: never"
    assert "roc_auc of 'diagnosis' is a mean over 2 of 4 classes: the others are undefined in the test rows" in told


@pytest.mark.parametrize("name", ["f1", "f1_weighted", "precision", "recall", "mcc", "kappa", "roc_auc", "average_precision", "pr_auc"])
def test_the_mean_of_what_classes_have_is_the_metric(name: str) -> None:
    outcome, _ = rows_of(50, 7)
    values = instance(name, "set").values_by_class(outcome)
    weights = outcome.truth.sum(axis=0) if "weighted" in name else None
    assert values is not None and np.average(values, weights=weights) == pytest.approx(compute_one(outcome, name), abs=1e-12)


def test_a_verdict_is_drawn_by_the_same_groups() -> None:
    outcome, groups = rows_of(80, 8, most=8)
    noisy = np.clip(outcome.scores + 0.2 * np.random.default_rng(2).normal(size=outcome.scores.shape), 0, 1)
    baseline = BaselineResult("linear", outcomes={"test": {"tags": Outcome("set", outcome.truth, noisy)}})
    found = verdict("tags", outcome, {"linear": baseline}, from_label("f1"), groups=groups)
    expected = difference_interval(outcome, baseline.outcomes["test"]["tags"], "f1", groups=groups)
    assert found["interval"] == pytest.approx([expected.low, expected.high])
    assert found["network_interval"] == pytest.approx(list(intervals(outcome, ["f1"], groups=groups)["f1"]))
    seen = np.arange(len(outcome)) % 3 == 0
    some = verdict("tags", outcome, {"linear": baseline}, from_label("f1"), groups=groups, seen=seen)
    kept = np.unique(groups[~seen], return_inverse=True)[1]
    assert some["network_interval"] == pytest.approx(list(intervals(outcome.take(~seen), ["f1"], groups=kept)["f1"]))

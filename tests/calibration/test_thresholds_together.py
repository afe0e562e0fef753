"""Thresholds of labels that interact are chosen together: no worse than any start, and mostly the best there is."""

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import trainwright as tw
from trainwright.calibration import Labelled, ThresholdOptions, fit_methods
from trainwright.calibration.criteria import known_metric
from trainwright.calibration.thresholds import cuts, search_thresholds
from trainwright.calibration.together import Together, search_together
from trainwright.config.errors import ConfigError
from trainwright.metrics import Outcome

METRICS = ["subset_accuracy", "f1_samples", "jaccard_samples", "hamming", "f1_micro", "fbeta_samples"]


def rows_of(seed: int, rows: int = 200, labels: int = 3, decimals: int = 6) -> Outcome:
    """Sets whose probabilities are badly calibrated, each label in its own way."""
    random = np.random.default_rng(seed)
    hidden = random.normal(size=(rows, labels)) + random.normal(size=(rows, 1))
    truth = random.random((rows, labels)) < 1 / (1 + np.exp(-2 * hidden + np.linspace(0.5, 2.5, labels)))
    scores = 1 / (1 + np.exp(-hidden * 1.2 + np.linspace(-1, 2.5, labels)))
    return Outcome("set", truth, np.round(scores, decimals))


def by_brute_force(outcome: Outcome, measure: Together) -> float:
    """The best of the metric over every combination of cuts, signed."""
    tried = [cuts(outcome.scores[:, label]) for label in range(outcome.width)]
    return max(measure.sign * measure.value(outcome.at_threshold(np.array(each))) for each in itertools.product(*tried))


@pytest.mark.parametrize("name", ["subset_accuracy", "f1_samples", "hamming"])
def test_it_comes_within_a_hundredth_of_the_best_combination_of_cuts(name: str) -> None:
    gaps = []
    for seed in range(3):
        outcome, measure = rows_of(seed, rows=40, decimals=1), Together(name)
        found = search_together(outcome, measure)
        reached = measure.sign * measure.value(outcome.at_threshold(np.array([each.threshold for each in found])))
        assert measure.sign * found[0].value == pytest.approx(reached, abs=1e-12)
        gaps.append(by_brute_force(outcome, measure) - reached)
    assert min(gaps) >= -1e-12 and sorted(gaps)[1] < 0.01 and max(gaps) < 0.04, gaps


@pytest.mark.parametrize("name", METRICS)
def test_it_is_no_worse_than_a_half_or_than_labels_one_by_one_and_cannot_be_bettered_by_moving_one(name: str) -> None:
    outcome, measure = rows_of(7, labels=5, decimals=2), Together(name)
    found = search_together(outcome, measure)
    chosen = np.array([each.threshold for each in found])
    alone = np.array([each.threshold for each in search_thresholds(outcome.truth, outcome.scores)])
    value = measure.sign * found[0].value
    assert measure.sign * found[0].at_half == pytest.approx(measure.sign * measure.value(outcome), abs=1e-12)
    assert all(value >= measure.sign * measure.value(outcome.at_threshold(each)) - 1e-12 for each in (0.5, alone))
    for label in range(5):
        for cut in cuts(outcome.scores[:, label]):
            moved = chosen.copy()
            moved[label] = cut
            assert measure.sign * measure.value(outcome.at_threshold(moved)) <= value + 1e-9


def test_metrics_in_which_labels_interact_gain_by_it() -> None:
    outcome, measure = rows_of(3, rows=400, labels=6), Together("subset_accuracy")
    alone = np.array([each.threshold for each in search_thresholds(outcome.truth, outcome.scores, "accuracy")])
    assert search_together(outcome, measure)[0].value > measure.value(outcome.at_threshold(alone)) + 0.01


def test_rows_count_by_their_weights_and_a_grid_is_searched_at_its_points() -> None:
    plain = rows_of(1, rows=100, decimals=1)
    counts = np.random.default_rng(0).integers(1, 4, 100)
    twice = plain.take(np.repeat(np.arange(100), counts))
    weighed = Outcome("set", plain.truth, plain.scores, weights=counts.astype(float))
    measure = Together("f1_samples")
    assert [each.threshold for each in search_together(weighed, measure)] == [each.threshold for each in search_together(twice, measure)]
    grid = np.array([0.2, 0.4, 0.6])
    assert {each.threshold for each in search_together(plain, measure, candidates=grid)} <= {0.2, 0.4, 0.5, 0.6}
    assert len({each.threshold for each in search_together(plain, measure, shared=True)}) == 1


def test_a_label_that_no_row_has_stays_at_a_half_and_says_so() -> None:
    outcome = rows_of(2)
    truth = outcome.truth.copy()
    truth[:, 1] = False
    found = search_together(Outcome("set", truth, outcome.scores), Together("subset_accuracy"))
    assert found[1].threshold == 0.5 and found[1].note == "no row is positive" and not found[0].note


def test_names_are_keys_of_metrics_of_decided_sets() -> None:
    for name in ("subset_accuracy", "f1_samples", "challenge_score", "f1", "mcc", "cinc_fbeta"):
        assert known_metric(name) == name
    for name in ("roc_auc", "log_loss", "rmse", "nothing", "ranking_loss"):
        with pytest.raises(ValueError, match="no metric that a threshold is chosen by"):
            known_metric(name)
    with pytest.raises(ValueError, match="did you mean 'subset_accuracy'"):
        ThresholdOptions(metric="subset_acuracy")


def test_the_challenge_score_is_raised_most_by_thresholds_chosen_together() -> None:
    random = np.random.default_rng(0)
    codes = ["AF", "AFL", "LBBB", "RBBB", "IAVB", "NSR", "PVC", "STach"]
    z = random.normal(size=(600, 8)) * 1.5 - 1.5
    truth = random.random(z.shape) < 1 / (1 + np.exp(-z))
    outcome, measure = Outcome("set", truth, 1 / (1 + np.exp(-z)), codes), Together("challenge_score")
    together = search_together(outcome, measure)
    alone = np.array([each.threshold for each in search_thresholds(truth, outcome.scores)])
    assert together[0].value > measure.value(outcome.at_threshold(alone)) + 0.01 > measure.value(outcome) + 0.05


def test_they_are_fitted_stored_and_refused_for_one_label() -> None:
    outcome = rows_of(5)
    rows = Labelled("tags", "set", outcome.truth, outcome.scores, classes=["a", "b", "c"])
    fitted = fit_methods([ThresholdOptions(metric="f1_samples")], rows)
    assert fitted.metric == "f1_samples" and len(fitted.threshold) == 3
    assert type(fitted).from_json(fitted.as_json()) == fitted


def test_a_model_decides_labels_together_when_it_predicts_and_is_evaluated(tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(400, 4))
    tags = [" ".join(name for name, value in zip("abc", row, strict=False) if value + row[3] > 0.8) for row in x]
    data: dict[str, Any] = {f"x{k}": x[:, k] for k in range(4)} | {"tags": [each or "none" for each in tags]}
    columns = {"tags": {"type": "set", "metrics": ["subset_accuracy"]}}
    methods = [{"type": "thresholds", "metric": "subset_accuracy"}]
    evaluation = {"baselines": [], "importance": False, "calibration": methods}
    run = tw.train(data, target="tags", run_dir=tmp_path / "run", columns=columns, trainer={"max_epochs": 2}, evaluation=evaluation)
    kept, names = run.results["calibration"]["tags"], run.model.encoder.features["tags"].vocabulary
    chosen = [each["threshold"] for each in kept["thresholds"]]
    assert kept["metric"] == "subset_accuracy" and kept["validation"]["together"]["value"] > kept["validation"]["together"]["at_half"]
    assert run.results["metrics"]["test"]["tags"]["subset_accuracy"] == pytest.approx(kept["test"]["together"]["value"], abs=1e-6)
    found = run.predict(data).to_pydict()
    decided = [[found[f"tags_probability_{name}"][row] >= cut for name, cut in zip(names, chosen, strict=True)] for row in range(400)]
    expected = [[name for name, there in zip(names, row, strict=True) if there] for row in decided]
    assert [sorted(each) for each in found["tags_prediction"]] == [sorted(each) for each in expected]
    assert "chosen together" in (run.path / "report.html").read_text()


def test_a_metric_of_sets_is_refused_for_one_label_before_training() -> None:
    from trainwright.calibration.fitting import methods_for

    with pytest.raises(ConfigError, match="labels are decided together where there are several"):
        methods_for([ThresholdOptions(metric="subset_accuracy")], {"survived": "binary"})


def test_labels_that_the_metric_does_not_know_are_refused_before_training() -> None:
    from trainwright.calibration.fitting import check_method

    with pytest.raises(ConfigError, match="no label of the target is a class of the challenge's weights"):
        check_method(ThresholdOptions(metric="challenge_score"), "tags", "set", rows_of(0).truth, ["cat", "dog", "cow"])
    check_method(ThresholdOptions(metric="challenge_score"), "tags", "set", rows_of(0).truth, ["AF", "dog", "cow"])

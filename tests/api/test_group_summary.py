"""What is said of a group: spread, paired differences and their intervals, the best point on validation rows, `best.yaml`, the page."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from trainwright.api.axes import Axes, setting_text
from trainwright.api.group_choice import write_choice
from trainwright.api.group_report import write_group_report
from trainwright.api.group_summary import PairedDifference, Summary
from trainwright.config.compose import override
from trainwright.config.errors import ConfigError
from trainwright.runs.group import BEST, FOLD, SEED, GroupDirectory
from trainwright.runs.results import build_results
from trainwright.systems.run_config import read_config

LR = "trainer.optimizer.learning_rate"
CONFIG = """data: {source: "builtin:iris", split: {type: kfold, folds: 3, fold: FOLD, seed: 5}}
target: target
trainer: {optimizer: {type: adamw, learning_rate: RATE}}
run: {seed: 9}
"""
BASE = 'data: {source: "builtin:iris", split: {type: grouped, column: petal width (cm)}}\ntarget: target\nrun: {seed: 4}\n'
ROWS = {"train": 80, "validation": 20, "test": 50}


def finish(run: Path, validation: float | None, test: float, metric: str = "accuracy", seed: int = 5) -> None:
    """The files that a finished run leaves, as far as a group reads them."""
    run.mkdir()
    headline = {"target": "target", "metric": metric, "value": test, "split": "test"}
    info = {"format": 1, "name": "iris-target", "status": "finished", "created": "2026-01-01T00:00:00+00:00", "targets": ["target"]}
    (run / "run.json").write_text(json.dumps({**info, "headline": headline}))
    measured = {"test": {"target": {metric: test}}, **({} if validation is None else {"validation": {"target": {metric: validation}}})}
    (run / "results.json").write_text(json.dumps(build_results(metrics=measured)))
    (run / "data.json").write_text(json.dumps({"split": {**ROWS, "seed": seed}}))


def make_group(
    folder: Path,
    points: Mapping[str, Sequence[float | None]],
    *,
    test: float = 0.0,
    axis: str = FOLD,
    metric: str = "accuracy",
    **more: object,
) -> GroupDirectory:
    """A group of a learning rate and folds (or seeds); None for a member that has not begun."""
    members = []
    for rate, values in points.items():
        for place in range(len(values)):
            members.append(({LR: rate, axis: str(place)}, CONFIG.replace("FOLD", str(place)).replace("RATE", rate)))
    group = GroupDirectory.create(folder, members, [LR, axis], BASE)
    flat = [value for values in points.values() for value in values]
    for place, (member, value) in enumerate(zip(group.members, flat, strict=True)):
        if value is not None:
            finish(member.run, value, value + test, metric, place if more.get("own_rows") else 5)
    return group


def test_the_interval_of_paired_differences_is_that_of_the_paired_t_test() -> None:
    a, b = np.array([0.81, 0.79, 0.84, 0.80, 0.77]), np.array([0.80, 0.80, 0.80, 0.78, 0.76])
    found = PairedDifference({}, "a", "m", tuple(a - b))
    low, high = stats.ttest_rel(a, b).confidence_interval(0.95)
    assert found.interval == (pytest.approx(low), pytest.approx(high))
    # Nadeau and Bengio (2003): the variance sd²/n becomes (1/n + n₂/n₁) sd²
    corrected = PairedDifference({}, "a", "m", tuple(a - b), ratio=0.25)
    half = stats.t.ppf(0.975, 4) * math.sqrt((1 / 5 + 0.25) * np.var(a - b, ddof=1))
    assert corrected.interval == (pytest.approx((a - b).mean() - half), pytest.approx((a - b).mean() + half))
    assert PairedDifference({}, "a", "m", (0.1,)).interval is None and PairedDifference({}, "a", "m", (0.0, 0.0)).interval == (0.0, 0.0)


def test_the_best_point_is_that_of_validation_rows_and_the_others_are_compared_with_it(tmp_path: Path) -> None:
    group = make_group(tmp_path / "group", {"0.1": [0.7, 0.8, 0.9], "0.2": [0.8, 0.9, 1.0], "0.3": [0.9, 0.95, None]})
    summary = Summary.of(group)
    assert summary.best is not None and summary.best.settings == {LR: "0.2"} and not summary.ties
    assert summary.metrics == ("validation.target.accuracy", "test.target.accuracy") and summary.direction is True
    assert summary.unfinished == {"waiting": ["learning_rate=0.3_fold=2"]}
    validation = [each for each in summary.differences if each.metric.startswith("validation")]
    assert [(each.settings[LR], len(each.values), each.better) for each in validation] == [("0.1", 3, "worse"), ("0.3", 2, "better")]
    assert validation[0].ratio == 20 / 80 and [each.ratio for each in summary.differences if "test" in each.metric] == [50 / 80] * 2
    assert validation[0].mean == pytest.approx(-0.1) and validation[1].mean == pytest.approx(0.075)
    assert "corrected resampled t" in summary.interval_method(validation[0])
    told = summary.to_dict()
    assert told["best"]["settings"] == {LR: "0.2"} and [each["finished"] for each in told["points"]] == [3, 3, 2]
    assert json.loads(json.dumps(told))["points"][0]["metrics"]["validation.target.accuracy"] == {
        "mean": pytest.approx(0.8), "sd": pytest.approx(0.1), "n": 3, "min": 0.7, "max": 0.9,
    }  # fmt: skip


def test_less_is_better_of_an_error_and_equal_points_are_named(tmp_path: Path) -> None:
    group = make_group(tmp_path / "group", {"0.1": [2.0, 3.0], "0.2": [1.0, 2.0], "0.3": [1.5, 1.5]}, metric="mae")
    summary = Summary.of(group)
    assert summary.best is not None and summary.best.settings == {LR: "0.2"}
    assert [each.settings for each in summary.ties] == [{LR: "0.3"}]
    assert "equal on them: learning_rate=0.3; the first of these is taken" in write_choice(group)


def test_nothing_is_the_best_without_validation_rows_or_a_known_direction(tmp_path: Path) -> None:
    unknown = Summary.of(make_group(tmp_path / "unknown", {"0.1": [0.7], "0.2": [0.8]}, metric="glow"))
    assert unknown.best is None and "'target.glow' is better is not known" in unknown.why_no_best()
    group = make_group(tmp_path / "none", {"0.1": [None], "0.2": [None]})
    for member in group.members:
        finish(member.run, None, 0.9)
    summary = Summary.of(group)
    assert summary.best is None and "test rows choose nothing" in summary.why_no_best()
    assert summary.metrics == ("test.target.accuracy",) and summary.reference is summary.points[0]
    assert write_choice(group) == "" and not (group.folder / BEST).exists()
    waiting = Summary.of(make_group(tmp_path / "waiting", {"0.1": [0.5, None], "0.2": [None, None]}))
    assert waiting.best is None and "no point of the grid has all of its runs finished" in waiting.why_no_best()


def test_seeds_that_keep_their_rows_are_paired_without_the_correction(tmp_path: Path) -> None:
    points = {"0.1": [0.7, 0.8], "0.2": [0.8, 0.9]}
    same = Summary.of(make_group(tmp_path / "same", points, axis=SEED))
    assert not same.rows_differ and {each.ratio for each in same.differences} == {0.0}
    assert same.interval_method(same.differences[0]) == "95 % interval by the paired t"
    other = Summary.of(make_group(tmp_path / "other", points, axis=SEED, own_rows=True))
    assert other.rows_differ and {each.ratio for each in other.differences} == {20 / 80, 50 / 80}


def test_the_configuration_that_is_written_has_the_best_value_and_the_split_and_seed_that_were_asked_for(tmp_path: Path) -> None:
    group = make_group(tmp_path / "group", {"0.1": [0.7, 0.8], "0.2": [0.8, 0.9]})
    said = write_choice(group)
    assert said.startswith("learning_rate=0.2: validation.target.accuracy 0.8500 ± 0.0707 (n = 2), the best on validation rows")
    config = read_config(group.folder / BEST)
    assert config.trainer.optimizer.learning_rate == 0.2 and config.data.split.type == "grouped"
    assert config.run.seed == 9  # no seeds were swept: it is the members' own
    assert (group.folder / BEST).read_text().startswith("# learning_rate=0.2")


def test_a_group_of_folds_alone_has_no_best_and_says_what_its_configuration_is(tmp_path: Path) -> None:
    members = [({FOLD: str(place)}, CONFIG.replace("FOLD", str(place)).replace("RATE", "0.1")) for place in range(2)]
    group = GroupDirectory.create(tmp_path / "group", members, [FOLD], BASE)
    assert write_choice(group) == "" and not (group.folder / BEST).exists()
    finish(group.members[0].run, 0.7, 0.7)
    assert "there is no grid to choose from" in write_choice(group)
    assert read_config(group.folder / BEST).data.split.type == "grouped"
    assert Summary.of(group).best is None and Summary.of(group).to_dict()["best"] is None


def test_the_page_of_a_group_stands_alone_and_shows_what_there_is(tmp_path: Path) -> None:
    group = make_group(tmp_path / "group", {"0.1": [0.7, 0.8], "<b>&": [0.8, None]})
    (group.members[0].run / "metrics.csv").write_text("step,train/loss,validation/target.accuracy\n1,0.9,0.5\n2,0.5,0.7\n")
    (group.members[0].run / "report.html").write_text("")
    page = write_group_report(group.folder).read_text()
    assert "http://" not in page.replace("http://www.w3.org", "") and "https://" not in page and "<b>&" not in page
    assert 'href="learning_rate%3D0.1_fold%3D0/report.html"' in page or 'href="0000/report.html"' in page
    for said in ("Paired differences", "Curves", "Not finished, and in no mean: 1 waiting", "3 of 4 runs finished"):
        assert said in page, said
    empty = make_group(tmp_path / "empty", {"0.1": [None], "0.2": [None]})
    assert "No run is finished" in write_group_report(empty.folder).read_text()
    (group.members[1].run / "results.json").write_text("{")
    assert "unreadable" in write_group_report(group.folder).read_text()


@pytest.mark.parametrize("value", ["plain", "true", "1", "0012", "a, b", "it's", "", "null", "1e-3", "{x}", "~", " x ", "a: b", "#1", "ä"])
def test_texts_of_a_grid_are_settings_that_are_read_back_the_same(value: str) -> None:
    read = override(f"run.name={setting_text(value)}").value.plain()
    assert read == value or (value == "1" and read == 1)


def test_values_of_python_are_settings_that_are_read_back_the_same() -> None:
    for value in (1e-3, 5, True, None, [1, 2], {"type": "sgd", "momentum": 0.9}):
        assert override(f"x={setting_text(value)}").value.plain() == value


def test_folds_keep_what_the_split_of_the_configuration_says(tmp_path: Path) -> None:
    def split_of(text: str) -> object:
        return read_config({"data": {"source": "builtin:iris", "split": json.loads(text)}, "target": "target"}).data.split

    axes = Axes(folds=3)
    [first, *_] = axes.members(split_of('{"type": "grouped", "column": "who", "validation": 0.3, "seed": 8}'))
    assert first == {
        "data.split.type": "kfold", "data.split.folds": "3", "data.split.groups": "who", "data.split.validation": "0.3",
        "data.split.seed": "8", "data.split.fold": "0",
    }  # fmt: skip
    [first, *_] = axes.members(split_of('{"type": "stratified", "columns": ["a b", "c"]}'))
    assert first["data.split.columns"] == "[a b, c]"
    [first, *_] = axes.members(split_of('{"type": "kfold", "column": "f"}'))
    assert first["data.split.column"] == "null"
    named = Axes(folds_by="strat fold", seeds=(1, 2)).members(split_of('{"type": "random"}'), lambda column: ["10", "9", "x", "1.0"])
    assert [each[FOLD] for each in named[::2]] == ["'1.0'", "9", "10", "x"] and named[0]["data.split.seed"] == "0"
    with pytest.raises(ConfigError, match="has 1 values, too few for folds"):
        Axes(folds_by="x").members(split_of('"auto"'), lambda column: ["1"])
    with pytest.raises(ConfigError, match="too many for folds"):
        Axes(folds_by="x").members(split_of('"auto"'), lambda column: list(map(str, range(300))))


def test_test_rows_of_all_folds_are_measured_together(tmp_path: Path) -> None:
    """Each fold with its own threshold; rows that are tested twice are not."""
    from sklearn.metrics import accuracy_score, roc_auc_score

    group = make_group(tmp_path / "group", {"1e-3": [0.8, 0.9]}, metric="roc_auc")
    rng = np.random.default_rng(0)
    truth, score = rng.integers(0, 2, 60), rng.random(60)
    thresholds = np.repeat([0.3, 0.7], 30)
    for place, each in enumerate(group.members):
        rows = np.arange(30) + 30 * place
        save_outcome(each.run, rows, truth[rows], score[rows], thresholds[rows[0]])
        measured = {"test": {"target": {"roc_auc": 0.5, "accuracy": 0.5, "loss": 1.0}}}  # a fold's own numbers, of which the names count
        (each.run / "results.json").write_text(json.dumps(build_results(metrics=measured)))
    (found,) = Summary.of(group).pooled
    assert (found.rows, found.folds, found.settings) == (60, 2, {LR: "1e-3"})
    assert set(found.metrics) == {"roc_auc", "accuracy"}
    assert found.metrics["roc_auc"] == pytest.approx(roc_auc_score(truth, score), abs=1e-12)
    assert found.metrics["accuracy"] == pytest.approx(accuracy_score(truth, score >= thresholds), abs=1e-12)
    save_outcome(group.members[1].run, np.arange(30), truth[30:], score[30:], 0.5)
    assert Summary.of(group).pooled[0].why_not == "some rows are tested in several folds"


def save_outcome(run: Path, rows: np.ndarray, truth: np.ndarray, score: np.ndarray, threshold: float) -> None:
    """The test rows of a run, as it keeps them."""
    (run / "outcomes").mkdir(exist_ok=True)
    scores = np.stack([1 - score, score], axis=1)
    told = {"target": "target", "kind": "binary", "classes": ["no", "yes"], "threshold": threshold}
    np.savez(
        run / "outcomes" / "target.npz", rows=rows, truth=truth, scores=scores, **{name: np.array(each) for name, each in told.items()}
    )

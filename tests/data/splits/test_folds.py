"""Folds: stratified, of groups, by a column, of label sets; what cannot make any is told."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import StratifiedGroupKFold

from trainwright.config.errors import DataError
from trainwright.config.registry import options_class
from trainwright.data.source import Source
from trainwright.data.sources.opening import from_object
from trainwright.data.splits import split_columns
from trainwright.data.splits.base import Split
from trainwright.data.splits.dividing import make_split
from trainwright.data.splits.groups import deal_groups
from trainwright.data.splits.labels import stratify_labels

# iterative-stratification 0.1.9: MultilabelStratifiedKFold(10, shuffle=True, random_state=seed) on `many_labels(seed)`; the largest
# difference of a label's count in a fold to its share, and the label distribution measure of Sechidis et al. (2011, section 4.2)
REFERENCE = {0: (0.8, 0.008587648749056681), 1: (0.9, 0.009234639409110781), 2: (0.8, 0.00682767689351541), 3: (0.9, 0.006679251373180802)}


def folds(source: Source, kinds: dict[str, str], count: int = 5, seed: int = 0, **given: object) -> list[Split]:
    options = options_class("split", "kfold")
    names = [str(each) for each in given.pop("values", range(count))]  # type: ignore[call-overload]
    made = [options.model_validate({"type": "kfold", "folds": count, "fold": name, **given}) for name in names]
    return [make_split(each, source, seed, list(kinds), kinds) for each in made]


def many_labels(seed: int) -> np.ndarray:
    """0 or 1 for each of 1500 rows and 6 labels, from common to rare, two of them often together."""
    generator = np.random.default_rng(seed)
    found = (generator.random((1500, 6)) < np.array([0.7, 0.3, 0.12, 0.05, 0.02, 0.01])).astype(int)
    found[:, 3] |= found[:, 1] & (generator.random(1500) < 0.3)
    return found


def label_distribution(labels: np.ndarray, fold: np.ndarray, count: int) -> float:
    """The mean over labels of the mean over folds of | odds in the fold − odds in all |."""
    held = np.array([labels[fold == each].sum(0) for each in range(count)], float)
    sizes = np.bincount(fold, minlength=count)[:, None]
    whole = labels.sum(0) / (len(labels) - labels.sum(0))
    return float(np.abs(held / (sizes - held) - whole).mean())


@pytest.mark.parametrize("seed", REFERENCE)
def test_folds_of_label_sets_are_as_even_as_those_of_the_reference_library(seed: int) -> None:
    labels = many_labels(seed)
    rows, codes = np.nonzero(labels)
    fold = stratify_labels(rows, codes, len(labels), [0.1] * 10, np.random.default_rng(seed))
    held = np.array([labels[fold == each].sum(0) for each in range(10)])
    most, distribution = REFERENCE[seed]
    assert np.bincount(fold).tolist() == [150] * 10
    assert np.abs(held - labels.sum(0) / 10).max() <= most + 1e-9
    assert label_distribution(labels, fold, 10) <= distribution * 1.05
    at_random = np.random.default_rng(seed).permutation(len(labels)) % 10
    assert label_distribution(labels, at_random, 10) > 5 * distribution
    again = stratify_labels(rows, codes, len(labels), [0.1] * 10, np.random.default_rng(seed))
    assert (fold == again).all()


def test_label_sets_of_a_few_rows_are_divided_as_by_hand() -> None:
    # b twice and a three times over two folds: one b each first, then the a to where less of it is; the row without labels fills up
    rows, codes = np.array([0, 0, 1, 1, 2]), np.array([0, 1, 0, 1, 0])
    for seed in range(20):
        fold = stratify_labels(rows, codes, 4, [0.5, 0.5], np.random.default_rng(seed))
        assert fold[0] != fold[1] and fold[2] != fold[3] and sorted(fold.tolist()) == [0, 0, 1, 1]
    shares = stratify_labels(np.arange(10), np.zeros(10, int), 10, [0.7, 0.3, 0.0], np.random.default_rng(0))
    assert np.bincount(shares, minlength=3).tolist() == [7, 3, 0]


@settings(max_examples=30, deadline=None)
@given(rows=st.integers(40, 200), labels=st.integers(1, 8), count=st.integers(2, 6), seed=st.integers(0, 100))
def test_every_label_is_in_folds_within_a_few_rows_of_its_share(rows: int, labels: int, count: int, seed: int) -> None:
    generator = np.random.default_rng(seed)
    table = (generator.random((rows, labels)) < generator.uniform(0.05, 0.6, labels)).astype(int)
    names = [[f"l{label}" for label in np.flatnonzero(row)] for row in table]
    source = from_object({"x": np.arange(rows), "y": names})
    found = folds(source, {"y": "set"}, count, seed)
    tests = [each.test for each in found]
    assert sorted(np.concatenate(tests).tolist()) == list(range(rows))
    held = np.array([table[each].sum(0) for each in tests])
    assert np.abs(held - table.sum(0) / count).mean() <= 4
    assert max(map(len, tests)) - min(map(len, tests)) <= 10 + labels


@pytest.mark.parametrize("seed", range(4))
def test_folds_of_groups_are_more_even_than_those_of_scikit_learn(seed: int) -> None:
    generator = np.random.default_rng(seed)
    group = generator.integers(0, 120, 1500)
    y = (generator.random(1500) < 0.15 + 0.3 * (group % 3 == 0)).astype(int)
    ours = deal_groups(np.unique(group, return_inverse=True)[1], np.arange(1500), y, [0.2] * 5, np.random.default_rng(seed))
    theirs = np.empty(1500, int)
    for number, (_, test) in enumerate(StratifiedGroupKFold(5, shuffle=True, random_state=seed).split(y, y, group)):
        theirs[test] = number
    assert all(len(np.unique(ours[group == each])) == 1 for each in np.unique(group))

    def unevenness(fold: np.ndarray) -> float:
        return max(abs(int((y[fold == each] == label).sum()) - (y == label).sum() / 5) for each in range(5) for label in (0, 1))

    assert unevenness(ours) <= unevenness(theirs)


def patients(rows: int = 240, groups: int = 30) -> Source:
    generator = np.random.default_rng(0)
    patient = generator.integers(0, groups, rows)
    return from_object(
        {
            "x": generator.normal(size=rows),
            "y": np.where(generator.random(rows) < 0.3, "ill", "well"),
            "n": generator.normal(size=rows),
            "patient": [f"p{each}" for each in patient],
            "strat_fold": patient % 5 + 1,
            "bad_fold": np.arange(rows) % 5 + 1,
        }
    )


@pytest.mark.parametrize("kinds", [{"y": "binary"}, {"n": "number"}])
def test_a_group_is_in_one_of_training_validation_and_test(kinds: dict[str, str]) -> None:
    source = patients()
    patient = np.array(source.read().column("patient").to_pylist())
    found = folds(source, kinds, 5, groups="patient")
    assert sorted(np.concatenate([each.test for each in found]).tolist()) == list(range(240))
    for each in found:
        held = [set(patient[part]) for part in (each.train, each.validation, each.test)]
        assert all(held) and not (held[0] & held[1] or held[0] & held[2] or held[1] & held[2])
        assert 35 <= len(each.test) <= 60
        assert "grouped by patient" in each.method and any("30 groups in 'patient'" in note for note in each.notes)
    assert split_columns(options_class("split", "kfold").model_validate({"type": "kfold", "groups": "patient"})) == ["patient"]


def test_folds_of_a_column_are_taken_as_they_are_and_may_have_a_fold_for_validation() -> None:
    source = patients()
    column = np.array(source.read().column("strat_fold").to_pylist())
    found = folds(source, {"y": "binary"}, column="strat_fold", groups="patient", values=range(1, 6), validation_fold="next")
    for number, each in enumerate(found, 1):
        assert set(column[each.test]) == {number} and set(column[each.validation]) == {number % 5 + 1}
        assert set(column[each.train]) == set(range(1, 6)) - {number, number % 5 + 1}
        assert each.method == f"fold {number} of column strat_fold, grouped by patient, validation fold {number % 5 + 1}"
    [given] = folds(source, {"y": "binary"}, column="strat_fold", values=[10 % 6], validation_fold=1)
    assert set(column[given.validation]) == {1}


@pytest.mark.parametrize(
    ("given_", "kinds", "said"),
    [
        ({"column": "bad_fold", "groups": "patient", "values": [1]}, {"y": "binary"}, "rows of one 'patient' into several folds: p"),
        ({"groups": "patient", "count": 31}, {"y": "binary"}, "30 groups in 'patient' cannot make 31 folds"),
        ({"count": 241}, {"n": "number"}, "240 rows cannot make 241 folds"),
        ({"groups": "nobody"}, {"y": "binary"}, "nobody"),
        ({"column": "strat_fold", "values": [9]}, {"y": "binary"}, "no row has fold '9' in 'strat_fold'"),
        ({"values": [5]}, {"y": "binary"}, "there is no fold '5'"),
        ({"values": [1], "validation_fold": 1}, {"y": "binary"}, "fold 1 is the test already"),
        ({"count": 2, "values": [1], "validation_fold": "next"}, {"y": "binary"}, "2 folds leave none to train on"),
    ],
)
def test_what_makes_no_folds_is_told(given_: dict[str, object], kinds: dict[str, str], said: str) -> None:
    with pytest.raises(DataError, match=said.replace("(", r"\(")):
        folds(patients(), kinds, **given_)  # type: ignore[arg-type]


def test_folds_that_leave_one_group_to_train_and_validate_on_are_refused_for_every_fold() -> None:
    source = from_object({"x": np.arange(40), "n": np.arange(40.0), "g": np.repeat(["a", "b", "c"], [20, 12, 8])})
    for fold in (0, 1):
        with pytest.raises(DataError, match="leaves 1 group of 'g' outside it"):
            folds(source, {"n": "number"}, 2, groups="g", values=[fold])
    assert len(folds(source, {"n": "number"}, 2, groups="g", validation=0)) == 2


def test_a_class_with_fewer_rows_than_folds_is_noted_or_refused_where_nothing_could_be_measured() -> None:
    rare = np.array(["a"] * 50 + ["b"] * 40 + ["c"] * 4)
    source = from_object({"x": np.arange(94), "y": rare})
    found = folds(source, {"y": "category"}, 10)
    assert any("classes of 'y' with fewer rows than the 10 folds" in note and "c (4)" in note for note in found[0].notes)
    assert sum((rare[each.test] == "c").sum() for each in found) == 4
    two = from_object({"x": np.arange(54), "y": np.array(["a"] * 50 + ["c"] * 4)})
    with pytest.raises(DataError, match="would hold one class of 'y' only") as caught:
        folds(two, {"y": "binary"}, 10)
    assert "fewer folds (at most 4)" in str(caught.value.fix)

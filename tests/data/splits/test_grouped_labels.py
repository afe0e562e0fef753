"""Groups kept whole and labels of sets alike at once, how alike is said, and which labels a part lacks."""

from __future__ import annotations

import re

import numpy as np
import pytest

from trainwright.config.errors import DataError
from trainwright.config.registry import options_class
from trainwright.data.source import Source
from trainwright.data.sources.opening import from_object
from trainwright.data.splits.base import Split
from trainwright.data.splits.dividing import make_split

KINDS = {"dx": "set"}
NAMES = np.array(["NSR", "AF", "PVC", "LBBB", "STach", "rare"])


def patients(seed: int, count: int = 400) -> tuple[Source, np.ndarray, np.ndarray]:
    """Records of patients, of whom each has 1 to 6 that share most labels; with 0 or 1 for each record and label, and its patient."""
    rng = np.random.default_rng(seed)
    of = np.repeat(np.arange(count), rng.integers(1, 7, count))
    own = rng.random((count, 6)) < np.array([0.5, 0.2, 0.1, 0.06, 0.03, 0.01])
    held = own[of] & (rng.random((len(of), 6)) < 0.9)
    held[~held.any(axis=1), 0] = True
    texts = [" ".join(NAMES[row]) for row in held]
    return from_object({"dx": texts, "patient": [f"p{each}" for each in of], "x": rng.random(len(of))}), held, of


def divide(source: Source, seed: int = 0, **options: object) -> Split:
    """The split of these options."""
    made = options_class("split", str(options["type"])).model_validate(options)
    return make_split(made, source, seed, ["dx"], KINDS)


def error(held: np.ndarray, parts: list[np.ndarray]) -> float:
    """The mean over parts and labels of how far a label's share is from that of all rows."""
    return float(np.mean([np.abs(held[part].mean(axis=0) - held.mean(axis=0)) for part in parts]))


def by_random_groups(of: np.ndarray, seed: int, shares: tuple[float, ...]) -> list[np.ndarray]:
    """Whole groups in random order, cut at these shares of them."""
    order = np.random.default_rng(seed).permutation(int(of.max()) + 1)
    places = np.split(order, (np.cumsum(shares)[:-1] * len(order)).astype(int))
    return [np.flatnonzero(np.isin(of, each)) for each in places]


@pytest.mark.parametrize("seed", range(4))
def test_patients_stay_whole_and_labels_are_more_alike_than_by_chance(seed: int) -> None:
    source, held, of = patients(seed)
    split = divide(source, seed, type="grouped", column="patient")
    parts = list(split.parts().values())
    assert sum(len(np.unique(of[part])) for part in parts) == of.max() + 1
    assert [len(part) / len(of) for part in parts] == pytest.approx([0.7, 0.15, 0.15], abs=0.02)
    assert split.method == "grouped by patient, stratified by dx"
    by_chance = np.mean([error(held, by_random_groups(of, each, (0.7, 0.15, 0.15))) for each in range(20)])
    assert error(held, parts) < by_chance / 3


def test_folds_of_patients_hold_the_labels_more_alike_than_by_chance() -> None:
    source, held, of = patients(9)
    tests = [divide(source, type="kfold", folds=5, fold=fold, groups="patient").test for fold in range(5)]
    assert np.array_equal(np.sort(np.concatenate(tests)), np.arange(len(of)))
    assert sum(len(np.unique(of[part])) for part in tests) == of.max() + 1
    by_chance = np.mean([error(held, by_random_groups(of, each, (0.2,) * 5)) for each in range(20)])
    assert error(held, tests) < by_chance / 3


def test_how_alike_the_labels_are_is_said_with_the_number() -> None:
    source, held, _ = patients(1)
    split = divide(source, type="grouped", column="patient")
    note = next(each for each in split.notes if each.startswith("labels of 'dx': their shares differ"))
    told = [float(each) for each in re.findall(r"([\d.]+)%", note)]
    held = held[:, held.any(axis=0)]
    expected = [np.abs(held[part].mean(axis=0) - held.mean(axis=0)).mean() * 100 for part in split.parts().values()]
    assert told == pytest.approx(expected, abs=0.006)


def test_a_label_that_a_part_lacks_is_named_with_the_count() -> None:
    rows = ["a b"] * 20 + ["a c"] * 20 + ["b d"] * 20
    source = from_object({"dx": rows, "part": ["train"] * 20 + ["validation"] * 20 + ["test"] * 20})
    notes = divide(source, type="column", column="part").notes
    assert "2 of 4 labels of 'dx' are in no train row: c, d" in notes
    assert "2 of 4 labels of 'dx' are in no test row: a, c" in notes


def test_a_column_of_splits_that_divides_a_patient_is_refused_with_its_name() -> None:
    source = from_object({"dx": ["a b", "b"] * 10, "part": ["train", "test"] * 10, "patient": ["p1"] * 2 + [f"q{n}" for n in range(18)]})
    with pytest.raises(DataError, match="'part' puts rows of one 'patient' into several splits: p1"):
        divide(source, type="column", column="part", groups="patient")
    assert divide(source, type="column", column="part").method == "by column part"


def test_the_same_seed_divides_alike() -> None:
    source, _, _ = patients(2)
    first, second, other = (divide(source, seed, type="grouped", column="patient").test for seed in (0, 0, 1))
    assert np.array_equal(first, second) and not np.array_equal(first, other)

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from trainwright.config.errors import DataError
from trainwright.data.checks import check_finite, check_targets, duplicates_across, leaks, missing_target_rows, seen_inputs
from trainwright.data.cuts import Classes, best_cuts
from trainwright.data.hashing import row_hashes
from trainwright.data.leaks import LOOKED_AT
from trainwright.data.profile import profile
from trainwright.data.sources.opening import from_object
from trainwright.data.splits.base import Split

GENERATOR = np.random.default_rng(0)


def test_rows_in_two_splits_are_found() -> None:
    source = from_object({"x": [1, 2, 3, 1, 2, 5, 1], "y": ["a", "b", "c", "a", "c", "a", "a"]})
    split = Split(np.array([0, 1, 2]), np.array([3, 4]), np.array([5, 6]), "given")
    found = duplicates_across(source, row_hashes(source), split, ["y"])
    assert found.counts == {"train/validation": 1, "train/test": 1, "validation/test": 1}
    assert found.conflicts == {"train/validation": 1, "train/test": 0, "validation/test": 0}
    assert found.train_rows.tolist() == [0]
    assert found.summary()["examples"] == {"train/validation": [[0, 3]], "train/test": [[0, 6]], "validation/test": [[3, 6]]}
    assert "1 rows of validation are also in train" in found.text


def test_a_split_without_duplicates_says_nothing() -> None:
    source = from_object({"x": np.arange(10), "y": [0, 1] * 5})
    found = duplicates_across(source, row_hashes(source), Split(np.arange(6), np.arange(6, 8), np.arange(8, 10), ""), ["y"])
    assert found.text == "" and found.summary()["equal"] == {}


def found(columns: dict, target: str = "y", kinds: dict | None = None, rows: np.ndarray | None = None) -> dict[str, bool]:
    source = from_object(columns)
    given = {name: "category" if pa.types.is_string(source.schema.field(name).type) else "number" for name in columns}
    given |= kinds or {}
    rows = np.arange(len(source)) if rows is None else rows
    return {leak.column: leak.exact for leak in leaks(source, [name for name in columns if name != target], [target], given, rows)}


def test_the_target_in_other_words_is_exact() -> None:
    y = GENERATOR.integers(0, 3, 300)
    columns = {"y": y, "words": np.array(["no", "yes", "maybe"])[y], "moved": y * 7 + 3, "noise": GENERATOR.normal(size=300)}
    assert found(columns, kinds={"y": "category"}) == {"words": True, "moved": True}


def test_the_same_quantity_in_other_units_is_exact() -> None:
    y = GENERATOR.normal(20, 5, 300)
    columns = {"y": y, "fahrenheit": y * 1.8 + 32, "copy": y, "logarithm": np.exp(y / 10), "noisy": y + GENERATOR.normal(size=300)}
    assert found(columns) == {"fahrenheit": True, "copy": True, "logarithm": False}


def test_a_column_that_nearly_decides_the_target_is_reported() -> None:
    y = GENERATOR.integers(0, 2, 2000)
    detail = np.array([f"{label}{GENERATOR.integers(0, 3)}" for label in y])
    flipped = np.where(GENERATOR.random(2000) < 0.003, 1 - y, y)
    columns = {"y": y, "detail": detail, "flipped": flipped, "weak": np.where(GENERATOR.random(2000) < 0.1, 1 - y, y)}
    assert found(columns, kinds={"y": "binary", "flipped": "binary", "weak": "binary"}) == {"detail": False, "flipped": False}


def test_a_threshold_that_decides_the_target_is_reported() -> None:
    x = GENERATOR.normal(size=3000)
    assert found({"y": (x > 0).astype(int), "x": x}, kinds={"y": "binary"}) == {"x": False}


def test_a_rare_class_is_no_leak() -> None:
    y = (np.arange(1000) < 5).astype(int)
    assert found({"y": y, "x": GENERATOR.integers(0, 4, 1000)}, kinds={"y": "binary", "x": "category"}) == {}


@pytest.mark.parametrize("target", ["number", "category"])
def test_a_column_unique_in_every_row_is_no_leak(target: str) -> None:
    names = [f"row {row}" for row in range(200)]
    y = np.arange(200) % 2 if target == "category" else GENERATOR.normal(size=200)
    assert found({"y": y, "name": names}, kinds={"y": target}) == {}


def test_missing_values_count_as_a_value() -> None:
    y = pa.array([0, 1] * 50)
    assert found({"y": y, "x": pa.array(["a", None] * 50)}, kinds={"y": "binary"}) == {"x": True}
    assert found({"y": y, "x": pa.array(["a", "b"] * 45 + [None] * 10)}, kinds={"y": "binary"}) == {}


def test_what_holds_in_training_alone_is_not_exact() -> None:
    y = np.array([0, 1] * 100)
    x = y.copy()
    x[-1] = 1 - x[-1]
    assert found({"y": y, "x": x}, kinds={"y": "binary", "x": "binary"}, rows=np.arange(150)) == {"x": False}


def test_large_tables_are_confirmed_on_every_row() -> None:
    rows = LOOKED_AT + 50_001
    y = GENERATOR.integers(0, 2, rows)
    late = y.copy()
    place = LOOKED_AT // 2 + 1
    while place in np.linspace(0, rows - 1, LOOKED_AT).astype(np.int64):
        place += 1
    late[place] = 1 - late[place]
    value = GENERATOR.normal(size=rows)
    assert found({"y": y, "same": y + 5, "late": late}, kinds=dict.fromkeys(["y", "same", "late"], "binary")) == {
        "same": True,
        "late": False,
    }
    assert found({"y": value, "scaled": value * 2 + 1}) == {"scaled": True}


def test_infinite_values_are_refused_with_their_rows(write, opened) -> None:
    source = opened(write("a,y\n1,0\ninf,1\n-inf,0\n"))
    with pytest.raises(DataError, match="column 'a' has 2 infinite values") as caught:
        check_finite(source, ["a"], profile(source))
    assert "row 2 (line 3), row 3 (line 4)" in caught.value.why
    check_finite(source, ["y"], profile(source))


def test_targets_are_checked() -> None:
    source = from_object({"y": [1, 2, 3], "c": [1, 1, 1]})
    for name, kind, words in (("y", "binary", "is not binary"), ("c", "category", "is constant")):
        with pytest.raises(DataError, match=words):
            check_targets(source, {name: kind}, profile(source))


def test_rows_without_a_target_are_found() -> None:
    source = from_object({"y": pa.array([1, None, 2]), "z": pa.array(["a", "b", None])})
    assert missing_target_rows(source, ["y"]).tolist() == [1]
    assert missing_target_rows(source, ["y", "z"]).tolist() == [1, 2]
    assert missing_target_rows(source, []).tolist() == []


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("target", ["y", "huge", "class"])
def test_numbers_near_the_end_of_their_range_are_judged_without_numpy_warnings(target: str) -> None:
    rng = np.random.default_rng(0)
    huge = rng.normal(size=200) * 1e300
    huge[:2] = 1.7e308, -1.7e308
    table = {"huge": huge, "tiny": rng.normal(size=200) * 1e-300, "y": rng.normal(size=200), "class": rng.choice(["a", "b"], 200)}
    kinds = {name: "category" if name == "class" else "number" for name in table}
    assert leaks(from_object(table), [name for name in table if name != target], [target], kinds, np.arange(200)) == []


def test_a_column_near_the_end_of_its_range_that_is_the_target_is_still_found() -> None:
    value = np.random.default_rng(0).normal(size=200)
    (leak,) = leaks(from_object({"huge": value * 1e300, "y": value}), ["huge"], ["y"], {"huge": "number", "y": "number"}, np.arange(200))
    assert leak.column == "huge" and leak.exact


def test_rows_whose_inputs_are_in_training_are_found_whatever_their_target_and_ids() -> None:
    source = from_object({"id": [0, 1, 2, 3, 4, 5], "x": [1, 2, 1, 3, 2, 1], "y": ["a", "b", "b", "a", "b", "a"]})
    split = Split(np.array([0, 1]), np.array([2, 3]), np.array([4, 5]), "given")
    found = seen_inputs(source, row_hashes(source), split, ["id", "y"])
    assert {name: rows.tolist() for name, rows in found.items()} == {"validation": [2], "test": [4, 5]}
    assert not any(len(rows) for rows in seen_inputs(source, row_hashes(source), split, ["y"]).values())


def test_a_number_that_separates_a_rare_class_by_a_threshold_is_reported_with_it() -> None:
    random = np.random.default_rng(5)
    x = random.normal(size=3000)
    y = np.where(x > np.sort(x)[-9], "fraud", "fine")
    nearly = np.where((y == "fraud") & (random.random(3000) < 0.5), -3.0, x)
    source = from_object(
        {"y": y, "x": x, "falling": -x, "holes": np.where(x < -1, np.nan, x), "nearly": nearly, "noise": random.normal(size=3000)}
    )
    inputs = ["x", "falling", "holes", "nearly", "noise"]
    given = leaks(source, inputs, ["y"], {"y": "binary", **dict.fromkeys(inputs, "number")}, np.arange(3000))
    assert {leak.column for leak in given} == {"x", "falling", "holes"} and not any(leak.exact for leak in given)
    why = {leak.column: leak.why for leak in given}
    cut = np.sort(x)[-8]
    assert why["x"] == f"'fraud' from {cut:g} on and 'fine' below is right on 100.00% of the rows; the commonest class makes up 99.7%"
    assert why["falling"].startswith("'fine' from ")


def test_numbers_that_separate_several_classes_by_ranges_are_reported_and_very_few_rows_are_no_proof() -> None:
    random = np.random.default_rng(6)
    x = random.normal(size=2000)
    grade = np.array(["low", "middle", "high", "middle"])[np.digitize(x, np.quantile(x, [0.02, 0.97, 0.99]))]
    kinds = {"y": "category", "x": "number", "noise": "number"}
    assert found({"y": grade, "x": x, "noise": random.normal(size=2000)}, kinds=kinds) == {}
    ordered = np.array(["low", "middle", "high"])[np.digitize(x, np.quantile(x, [0.02, 0.97]))]
    assert found({"y": ordered, "x": x, "noise": random.normal(size=2000)}, kinds=kinds) == {"x": False}
    single = np.where(np.arange(2000) == x.argmax(), "odd", "even")
    assert found({"y": single, "x": x, "noise": x}, kinds=kinds) == {}


def test_the_best_cuts_are_those_of_trying_all() -> None:
    random = np.random.default_rng(7)
    for _ in range(30):
        numbers, codes = random.integers(0, 9, 40).astype(float), random.integers(0, 2, 40)
        tried = [max(((numbers >= at) == flag).sum() for flag in (codes == 1, codes == 0)) for at in np.append(np.unique(numbers), 99)]
        cuts = best_cuts(numbers, codes)
        assert cuts is not None and round(cuts.right * 40) == max(tried) == 40 - cuts.wrong
        screened = Classes(codes).cuts(numbers)
        assert screened == cuts

import numpy as np
import pyarrow as pa
import pytest
from feature_cases import again, encoded, fitted, target
from hypothesis import given
from hypothesis import strategies as st
from sklearn.utils.class_weight import compute_class_weight

from trainwright.config.errors import DataError
from trainwright.features.base import Counts

words = st.text(alphabet=st.characters(exclude_categories=["Cs"]), min_size=1, max_size=6)


@given(st.lists(words, min_size=1, max_size=30))
def test_targets_decode_to_what_was_encoded(values: list[str]) -> None:
    feature = again(fitted("category", values, target=True))
    scores = np.eye(len(feature.classes))[target(feature, values)]
    assert feature.decode({"scores": scores})["column_prediction"].to_pylist() == values


@given(st.lists(st.one_of(st.none(), words), min_size=1, max_size=30), st.lists(st.integers(0, 30), max_size=4))
def test_the_fit_does_not_depend_on_chunks(values: list[str | None], cuts: list[int]) -> None:
    array = pa.array(values, pa.string())
    assert fitted("category", array).state() == fitted("category", array, cuts=cuts).state()


@given(st.lists(st.one_of(st.none(), words), min_size=1, max_size=30), st.lists(st.one_of(st.none(), words), min_size=1, max_size=30))
def test_a_restored_column_encodes_the_same_bits(values: list[str | None], later: list[str | None]) -> None:
    feature = fitted("category", pa.array(values, pa.string()))
    found = encoded(feature, pa.array(later, pa.string()))["index"]
    np.testing.assert_array_equal(found, encoded(again(feature), pa.array(later, pa.string()))["index"])
    assert found.dtype == np.int64
    assert 0 <= found.min() <= found.max() < feature.sizes()[0]


def test_classes_are_sorted_as_numbers_where_they_are() -> None:
    assert fitted("category", [10, 9, 10, 9, 2], target=True).classes == ["2", "9", "10"]
    assert fitted("category", ["b", "a", "10"], target=True).classes == ["10", "a", "b"]


def test_whole_floats_lose_their_point_so_that_types_may_differ_later() -> None:
    feature = fitted("category", [1.0, 2.0, 2.0, 1.0, None, 2.5, 2.5])
    assert feature.classes == ["1", "2", "2.5"]
    np.testing.assert_array_equal(encoded(feature, [1, 2])["index"], encoded(feature, ["1", "2"])["index"])
    np.testing.assert_array_equal(encoded(feature, np.array([np.nan, 1.0]))["index"], [1, 2])


def test_missing_values_are_a_class_of_their_own_where_training_has_them() -> None:
    feature = fitted("category", ["a", "a", None, "b", "b"])
    assert feature.sizes() == [4]
    np.testing.assert_array_equal(encoded(feature, ["a", None, "b"])["index"], [2, 1, 3])
    without = fitted("category", ["a", "a", "b", "b"])
    assert without.sizes() == [3]
    np.testing.assert_array_equal(encoded(without, ["a", None])["index"], [1, 0])
    assert fitted("category", ["a", "a"], missing="indicator").sizes() == [3]


def test_rare_and_unseen_values_share_an_index_and_only_unseen_ones_are_counted() -> None:
    feature = again(fitted("category", ["a", "a", "b", "b", "once"]))
    counts = Counts()
    index = feature.encode(pa.array(["once", "never", "a", None]), np.arange(4), counts)["index"]
    np.testing.assert_array_equal(index, [0, 0, 1, 0])
    assert counts == Counts(missing=1, unknown=1)


def test_at_most_max_categories_are_kept_the_most_frequent_ones() -> None:
    feature = fitted("category", list("aabbbcccc"), max_categories=2)
    assert (feature.classes, feature.rare) == (["b", "c"], ["a"])


def test_missing_values_take_the_mode_or_a_constant() -> None:
    values = ["a", "a", "b", "b", "b", None]
    np.testing.assert_array_equal(encoded(fitted("category", values, missing="mode"), [None])["index"], [2])
    np.testing.assert_array_equal(encoded(fitted("category", values, missing="constant", fill="a"), [None])["index"], [1])
    np.testing.assert_array_equal(encoded(fitted("category", [7, 7, 8, 8, None], missing="constant", fill=8), [None])["index"], [2])


def test_a_target_class_unseen_in_training_is_an_error_with_rows_or_drops_the_row() -> None:
    with pytest.raises(DataError, match="no training row has: row 2 'c'"):
        target(fitted("category", ["a", "b"], target=True), ["a", "c"])
    feature = fitted("category", ["a", "b"], target=True, unseen="drop")
    np.testing.assert_array_equal(feature.dropped(pa.array(["a", "c", None]), np.arange(3)), [False, True, True])


def test_a_target_keeps_classes_with_one_row() -> None:
    assert fitted("category", ["a", "a", "b"], target=True).classes == ["a", "b"]


def test_a_target_with_one_class_is_constant() -> None:
    with pytest.raises(DataError, match="constant"):
        fitted("category", ["a", "a"], target=True).check_target()


def test_balanced_class_weights_are_those_of_scikit_learn() -> None:
    values = np.array(list("aaabbc"))
    found = fitted("category", values.tolist(), target=True, class_weights="auto").target_spec().class_weights
    np.testing.assert_allclose(found, compute_class_weight("balanced", classes=np.array(list("abc")), y=values))


def test_predictions_have_the_type_of_the_column() -> None:
    feature = again(fitted("category", [3, 7, 9], target=True))
    decoded = feature.decode({"scores": np.array([[0.1, 0.7, 0.2]])})
    assert decoded["column_prediction"].to_pylist() == [7]
    assert list(decoded)[1:] == ["column_probability_3", "column_probability_7", "column_probability_9"]


@pytest.mark.parametrize("kind", [pa.large_string(), pa.string_view(), pa.dictionary(pa.int32(), pa.string())])
def test_every_kind_of_text_column_is_read(kind: pa.DataType) -> None:
    values = pa.array(["b", "a", None, "b", "a"]).cast(kind)
    np.testing.assert_array_equal(encoded(fitted("category", values), values)["index"], [3, 2, 1, 3, 2])


def test_lists_in_a_category_column_are_an_error() -> None:
    with pytest.raises(DataError, match="not single values"):
        fitted("category", [[1], [2]])

import numpy as np
import pyarrow as pa
import pytest
from feature_cases import again, encoded, fitted, target
from hypothesis import given
from hypothesis import strategies as st

from trainwright.config.errors import DataError
from trainwright.features.base import Counts


@pytest.mark.parametrize(
    ("values", "classes"),
    [
        ([False, True], ["false", "true"]),
        (["yes", "no", "no"], ["no", "yes"]),
        ([0, 1], ["0", "1"]),
        ([-1, 1], ["-1", "1"]),
        ([1.0, 2.0], ["1", "2"]),
        (["M", "B"], ["B", "M"]),
        (["absent", "present"], ["absent", "present"]),
        (["Yes", "yes", "yes", "NO"], ["NO", "yes"]),
    ],
)
def test_the_positive_class_is_the_one_a_reader_expects(values: list, classes: list[str]) -> None:
    feature = fitted("binary", values, target=True)
    assert feature.classes == classes
    assert feature.target_spec().classes == classes


def test_the_positive_value_can_be_named() -> None:
    feature = fitted("binary", ["cat", "dog"], target=True, positive="cat")
    assert feature.classes == ["dog", "cat"]
    np.testing.assert_array_equal(target(feature, ["cat", "dog"]), [1, 0])


def test_naming_a_positive_value_that_never_occurs_offers_the_nearest() -> None:
    with pytest.raises(DataError, match="did you mean 'yes'"):
        fitted("binary", ["yes", "no"], positive="yess")


@given(st.lists(st.text(min_size=1, max_size=5), min_size=2, max_size=2, unique_by=str.casefold), st.lists(st.booleans(), min_size=1))
def test_targets_decode_to_what_was_encoded(words: list[str], picks: list[bool]) -> None:
    feature = again(fitted("binary", words, target=True))
    values = [words[pick] for pick in picks]
    scores = np.eye(2)[target(feature, values)]
    assert feature.decode({"scores": scores})["column_prediction"].to_pylist() == values


def test_predictions_have_the_type_of_the_column() -> None:
    scores = np.array([[0.9, 0.1], [0.2, 0.8]])
    assert fitted("binary", [0, 1], target=True).decode({"scores": scores})["column_prediction"].to_pylist() == [0, 1]
    decoded = again(fitted("binary", [True, False], target=True)).decode({"scores": scores})
    assert decoded["column_prediction"].to_pylist() == [False, True]
    assert decoded["column_probability_true"].to_pylist() == [0.1, 0.8]


def test_the_threshold_decides_which_class_is_predicted() -> None:
    outputs = {"scores": np.array([[0.6, 0.4]]), "threshold": np.array(0.3)}
    assert fitted("binary", ["a", "b"], target=True).decode(outputs)["column_prediction"].to_pylist() == ["b"]


def test_known_words_are_understood_in_another_spelling_later() -> None:
    feature = fitted("binary", [True, False])
    np.testing.assert_array_equal(encoded(feature, ["yes", "FALSE", "1", None])["value"], [1, -1, 1, 0])
    np.testing.assert_array_equal(encoded(feature, [1.0, 0.0])["value"], [1, -1])


def test_unknown_values_are_halfway_and_counted() -> None:
    counts = Counts()
    values = pa.array(["a", "c", None])
    parts = fitted("binary", ["a", "b"]).encode(values, np.arange(3), counts)
    np.testing.assert_array_equal(parts["value"], [-1, 0, 0])
    assert counts == Counts(missing=1, unknown=1)


def test_missing_values_are_told_to_the_model_where_training_has_them() -> None:
    parts = encoded(fitted("binary", ["a", "b", None]), ["a", None])
    np.testing.assert_array_equal(parts["value"], [-1, 0])
    np.testing.assert_array_equal(parts["missing"], [0, 1])
    assert encoded(fitted("binary", ["a", "b"]), ["a"]).keys() == {"value"}


def test_missing_values_take_the_mode_or_a_constant() -> None:
    np.testing.assert_array_equal(encoded(fitted("binary", ["a", "b", "b", None], missing="mode"), [None])["value"], [1])
    np.testing.assert_array_equal(encoded(fitted("binary", ["a", "b"], missing="constant", fill="a"), [None])["value"], [-1])


def test_a_third_value_is_an_error_that_names_all() -> None:
    with pytest.raises(DataError, match="more than two values: 'a', 'b', 'c'"):
        fitted("binary", ["a", "b", "c"])


def test_a_target_with_a_third_value_later_is_an_error_with_rows() -> None:
    with pytest.raises(DataError, match="row 2 'c'"):
        target(fitted("binary", ["a", "b"], target=True), ["a", "c"])


def test_a_target_with_one_value_is_constant() -> None:
    with pytest.raises(DataError, match="constant: every training row has 'a'"):
        fitted("binary", ["a", "a"], target=True).check_target()


def test_class_weights_come_from_the_data_or_are_given() -> None:
    values = ["a"] * 3 + ["b"]
    assert fitted("binary", values, target=True).target_spec().class_weights is None
    assert fitted("binary", values, target=True, class_weights="auto").target_spec().class_weights == [4 / 6, 2.0]
    assert fitted("binary", values, target=True, class_weights={"b": 3}).target_spec().class_weights == [1.0, 3.0]
    with pytest.raises(DataError, match="does not occur: 'c'"):
        fitted("binary", values, target=True, class_weights={"c": 3}).target_spec()
    with pytest.raises(DataError, match="1 weights for 2 classes"):
        fitted("binary", values, target=True, class_weights=[1.0]).target_spec()

import numpy as np
import pyarrow as pa
import pytest
from feature_cases import again, encoded, fitted, target
from hypothesis import given, settings
from hypothesis import strategies as st

from trainwright.config.errors import DataError
from trainwright.features.base import Counts

labels = st.lists(st.sampled_from(["red", "green", "blue", "dark red"]), max_size=5)


@settings(deadline=None)
@given(st.lists(labels, min_size=1, max_size=20))
def test_set_targets_decode_to_what_was_encoded(rows: list[list[str]]) -> None:
    if not any(rows):
        return
    feature = again(fitted("set", pa.array(rows, pa.list_(pa.string())), target=True))
    scores = target(feature, pa.array(rows, pa.list_(pa.string())))
    assert feature.decode({"scores": scores})["column_prediction"].to_pylist() == [sorted(set(row)) for row in rows]


@settings(deadline=None)
@given(st.lists(labels, min_size=1, max_size=20), st.sampled_from(["|", ";", ",", "\t"]), st.sampled_from(["set", "bag", "sequence"]))
def test_text_with_any_delimiter_is_read_as_the_list_it_stands_for(rows: list[list[str]], delimiter: str, kind: str) -> None:
    text = pa.array([delimiter.join(row) for row in rows], pa.string())
    lists = pa.array(rows, pa.list_(pa.string()))
    if sum(map(len, rows)) == len(rows) or not any(delimiter in each for each in text.to_pylist()):
        return
    first, second = encoded(fitted(kind, text), text), encoded(fitted(kind, lists), lists)
    assert all(np.array_equal(first[part], second[part]) for part in first)


@settings(deadline=None, max_examples=30)
@given(st.lists(labels, min_size=1, max_size=30), st.lists(st.integers(0, 30), max_size=4), st.sampled_from(["set", "bag", "sequence"]))
def test_the_fit_does_not_depend_on_chunks(rows: list[list[str]], cuts: list[int], kind: str) -> None:
    text = pa.array(["|".join(row) or None for row in rows], pa.string())
    assert fitted(kind, text).state() == fitted(kind, text, cuts=cuts).state()


@settings(deadline=None, max_examples=30)
@given(st.lists(labels, min_size=1, max_size=30), st.sampled_from(["set", "bag", "sequence"]))
def test_a_restored_column_encodes_the_same_bits(rows: list[list[str]], kind: str) -> None:
    text = pa.array([",".join(row) or None for row in rows], pa.string())
    feature = fitted(kind, text)
    first, second = encoded(feature, text), encoded(again(feature), text)
    assert first.keys() == second.keys() == feature.layout().keys()
    assert all(np.array_equal(first[part], second[part]) for part in first)


def test_a_set_is_multi_hot_with_a_place_for_unknown_labels() -> None:
    feature = fitted("set", ["a|b", "b", "c|c"])
    np.testing.assert_array_equal(encoded(feature, ["a|c", "z|b", None])["value"], [[0, 1, 0, 1], [1, 0, 1, 0], [0, 0, 0, 0]])


def test_unknown_labels_and_missing_sets_are_counted() -> None:
    counts = Counts()
    fitted("set", ["a|b"]).encode(pa.array(["a|x|y", None]), np.arange(2), counts)
    assert counts == Counts(missing=1, unknown=2)


def test_a_missing_set_is_told_to_the_model_where_training_has_them() -> None:
    np.testing.assert_array_equal(encoded(fitted("set", ["a|b", None]), [None, "a"])["missing"], [1, 0])


def test_rare_labels_are_unknown() -> None:
    assert fitted("set", ["a|b", "a"], min_count=2).vocabulary == ["a"]
    assert fitted("set", ["a|b", "a|c", "b"], max_labels=2).vocabulary == ["a", "b"]


def test_a_set_target_has_a_weight_per_label() -> None:
    spec = fitted("set", ["a|b", "a", "a", "a|b"], target=True, class_weights="auto").target_spec()
    assert (spec.width, spec.classes, spec.class_weights) == (2, ["a", "b"], [0.0, 1.0])


def test_a_set_target_without_labels_is_an_error() -> None:
    with pytest.raises(DataError, match="no label"):
        fitted("set", pa.array([[], []], pa.list_(pa.string())), target=True).check_target()


def test_lists_written_as_text_lose_their_brackets_and_quotes() -> None:
    assert fitted("set", ["['a', 'b']", '["c", "d"]', "{e,f}"]).vocabulary == ["a", "b", "c", "d", "e", "f"]


def test_the_delimiter_can_be_given() -> None:
    assert fitted("set", ["a/b c", "b c"], delimiter="/").vocabulary == ["a", "b c"]


def test_the_delimiter_is_found_from_the_first_thousand_values() -> None:
    values = ["plain"] * 900 + ["a;b"] * 200 + ["c|d;e"] * 5
    assert fitted("set", values).vocabulary == ["a", "b", "c|d", "e", "plain"]


def test_a_bag_counts_its_tokens() -> None:
    feature = fitted("bag", ["a b a", "c"])
    np.testing.assert_array_equal(encoded(feature, ["a a b z", ""])["value"], [[1, 2, 1, 0], [0, 0, 0, 0]])


def test_a_sequence_keeps_the_order_and_is_padded() -> None:
    feature = fitted("sequence", ["b a c", "a"])
    parts = encoded(feature, ["c b", "z a a a", None])
    np.testing.assert_array_equal(parts["tokens"], [[4, 3, 0], [1, 2, 2], [0, 0, 0]])
    np.testing.assert_array_equal(parts["length"], [2, 3, 0])
    assert feature.sizes() == [5]


def test_a_long_sequence_is_cut_at_the_end_asked_for() -> None:
    for keep, expected in {"first": [[2, 3]], "last": [[4, 5]]}.items():
        feature = fitted("sequence", ["a b c d"], max_length=2, keep=keep)
        np.testing.assert_array_equal(encoded(feature, ["a b c d"])["tokens"], expected)


def test_numbers_in_lists_are_words_without_their_point() -> None:
    assert fitted("sequence", pa.array([[1.0, 2.0], [10.0]])).vocabulary == ["1", "2", "10"]


def test_a_constant_replaces_missing_sets() -> None:
    feature = fitted("set", ["a|b", None], missing="constant", fill="b")
    np.testing.assert_array_equal(encoded(feature, [None])["value"], [[0, 0, 1]])


@pytest.mark.parametrize("values", [["a|b", "c", None], pa.array([["a", "b"], ["c"], None])])
def test_a_list_replaces_missing_lists_however_they_are_written(values: object) -> None:
    feature = fitted("set", values, missing="constant", fill=["a", "c"], delimiter="|")
    np.testing.assert_array_equal(encoded(feature, values)["value"][2], [0, 1, 0, 1])
    series = fitted("timeseries", pa.array([[1.0, 2.0, 3.0], None]), missing="constant", fill=[5, 6.5], scale="none")
    made = encoded(series, pa.array([None, [4.0]], pa.list_(pa.float64())))
    np.testing.assert_array_equal(made["value"], [[5, 6.5, 0], [4, 0, 0]])
    assert made["length"].tolist() == [2, 1]


@pytest.mark.parametrize("kind", ["bag", "sequence", "text", "date", "timeseries", "ignore"])
def test_types_that_cannot_be_predicted_say_so(kind: str) -> None:
    with pytest.raises(DataError, match="cannot be predicted"):
        fitted(kind, ["a"], target=True)

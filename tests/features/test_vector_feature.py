import numpy as np
import pyarrow as pa
import pytest
from feature_cases import again, encoded, fitted, target
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.preprocessing import StandardScaler

from trainwright.config.errors import DataError

matrices = arrays(np.float64, st.tuples(st.integers(2, 12), st.integers(1, 4)), elements=st.floats(-1e3, 1e3, width=32))


def listed(matrix: np.ndarray) -> pa.Array:
    return pa.array(matrix.tolist(), pa.list_(pa.float64()))


@settings(deadline=None)
@given(matrices)
def test_components_are_standardised_as_scikit_learn_does(matrix: np.ndarray) -> None:
    if (matrix.std(axis=0) < 1e-3).any():
        return
    np.testing.assert_allclose(
        encoded(fitted("vector", listed(matrix)), listed(matrix))["value"], StandardScaler().fit_transform(matrix), atol=1e-4
    )


@settings(deadline=None)
@given(matrices, st.lists(st.integers(0, 12), max_size=3))
def test_the_fit_does_not_depend_on_chunks_and_survives_json(matrix: np.ndarray, cuts: list[int]) -> None:
    feature = fitted("vector", listed(matrix))
    assert feature.state() == fitted("vector", listed(matrix), cuts=cuts).state()
    np.testing.assert_array_equal(encoded(feature, listed(matrix))["value"], encoded(again(feature), listed(matrix))["value"])


@pytest.mark.parametrize("fill", [[7, 8], "7 8", "[7, 8]"])
def test_a_vector_replaces_missing_ones_and_missing_places(fill: object) -> None:
    feature = fitted("vector", listed(np.array([[1.0, 2.0], [3.0, 4.0]])), missing="constant", fill=fill, scale="none")
    given = pa.array([None, [5.0, None]], pa.list_(pa.float64()))
    np.testing.assert_array_equal(encoded(feature, given)["value"], [[7, 8], [5, 8]])
    assert again(feature).fill_vector().tolist() == [7, 8]
    one = fitted("vector", listed(np.array([[1.0, 2.0], [3.0, 4.0]])), missing="constant", fill=9, scale="none")
    np.testing.assert_array_equal(encoded(one, given)["value"], [[9, 9], [5, 9]])
    with pytest.raises(DataError, match="`fill` has 3 numbers, and the vectors have 2"):
        encoded(fitted("vector", listed(np.eye(2)), missing="constant", fill=[1, 2, 3]), given)
    with pytest.raises(DataError, match="a value of a number is one"):
        fitted("number", [1.0, None], missing="constant", fill=[1, 2])


def test_text_with_spaces_commas_or_brackets_is_read() -> None:
    feature = fitted("vector", ["1 2 3", "4, 5, 6"], scale="none")
    np.testing.assert_array_equal(encoded(feature, ["[1,2;3]", " 7  8 9 "])["value"], [[1, 2, 3], [7, 8, 9]])


def test_fixed_size_lists_are_read() -> None:
    values = pa.FixedSizeListArray.from_arrays(pa.array([1.0, 2, 3, 4]), 2)
    np.testing.assert_array_equal(encoded(fitted("vector", values, scale="none"), values)["value"], [[1, 2], [3, 4]])


def test_another_length_is_an_error_with_rows() -> None:
    with pytest.raises(DataError, match=r"different lengths: row 3 1"):
        fitted("vector", [[1, 2], [3, 4], [5]])
    with pytest.raises(DataError, match="row 1 3"):
        encoded(fitted("vector", [[1, 2]]), [[1, 2, 3]])


def test_text_in_a_vector_is_an_error_with_rows() -> None:
    with pytest.raises(DataError, match="row 2 'x'"):
        fitted("vector", ["1 2", "3 x"])


def test_missing_vectors_are_the_mean_and_told_to_the_model() -> None:
    feature = fitted("vector", [[1.0, 2], None, [3, 6]])
    parts = encoded(feature, pa.array([None, [1.0, None], [3.0, 6.0]], pa.list_(pa.float64())))
    np.testing.assert_array_equal(parts["value"], [[0, 0], [-1, 0], [1, 1]])
    np.testing.assert_array_equal(parts["missing"], [1, 1, 0])


def test_infinite_components_are_an_error() -> None:
    with pytest.raises(DataError, match="infinite values: row 2"):
        fitted("vector", [[1.0, 2], [np.inf, 3]])


def test_targets_come_back_in_original_units() -> None:
    values = [[1.0, 200], [3, 600]]
    feature = again(fitted("vector", values, target=True))
    spec = feature.target_spec()
    original = target(feature, values) * spec.scale["std"] + spec.scale["mean"]
    np.testing.assert_allclose(original, values, rtol=1e-6)
    assert feature.decode({"scores": original})["column_prediction"].to_pylist() == original.tolist()
    assert (spec.width, spec.classes) == (2, None)


def test_min_max_maps_each_component_to_zero_and_one() -> None:
    np.testing.assert_array_equal(encoded(fitted("vector", [[1, 5], [3, 5]], scale="minmax"), [[2, 5]])["value"], [[0.5, 0]])

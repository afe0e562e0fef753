import numpy as np
import pyarrow as pa
import pytest
from feature_cases import again, encoded, fitted
from hypothesis import given, settings
from hypothesis import strategies as st

from trainwright.config.errors import DataError

series = st.lists(st.lists(st.floats(-100, 100), max_size=6), min_size=1, max_size=12)


@settings(deadline=None)
@given(series, st.lists(st.integers(0, 12), max_size=3))
def test_the_fit_does_not_depend_on_chunks_and_survives_json(rows: list[list[float]], cuts: list[int]) -> None:
    values = pa.array(rows, pa.list_(pa.float64()))
    feature = fitted("timeseries", values)
    assert feature.state() == fitted("timeseries", values, cuts=cuts).state()
    np.testing.assert_array_equal(encoded(feature, values)["value"], encoded(again(feature), values)["value"])


def test_values_are_standardised_over_all_rows_and_padded_with_zero() -> None:
    rows = [[1.0, 3], [5], []]
    parts = encoded(fitted("timeseries", pa.array(rows)), pa.array(rows))
    scale = np.std([1, 3, 5])
    np.testing.assert_allclose(parts["value"], [[-2 / scale, 0], [2 / scale, 0], [0, 0]], rtol=1e-6)
    np.testing.assert_array_equal(parts["length"], [2, 1, 0])


def test_a_long_series_keeps_its_last_values_unless_told_otherwise() -> None:
    for keep, expected in {"last": [[2, 3]], "first": [[1, 2]]}.items():
        feature = fitted("timeseries", ["1 2 3"], max_length=2, keep=keep, scale="none")
        np.testing.assert_array_equal(encoded(feature, ["1 2 3"])["value"], expected)


def test_missing_values_within_a_series_are_the_mean_and_a_missing_series_is_empty() -> None:
    feature = fitted("timeseries", ["1 3"])
    parts = encoded(feature, pa.array([[None, 3.0], None], pa.list_(pa.float64())))
    np.testing.assert_array_equal(parts["value"], [[0, 1], [0, 0]])
    np.testing.assert_array_equal(parts["length"], [2, 0])


def test_a_constant_replaces_missing_series() -> None:
    feature = fitted("timeseries", ["1 2", None], missing="constant", fill="5 6", scale="none")
    np.testing.assert_array_equal(encoded(feature, pa.array([None], pa.string()))["value"], [[5, 6]])


def test_text_and_infinities_are_errors_with_rows() -> None:
    with pytest.raises(DataError, match="row 2 'x'"):
        fitted("timeseries", ["1", "2 x"])
    with pytest.raises(DataError, match="infinite values: row 1"):
        fitted("timeseries", ["1 inf"])

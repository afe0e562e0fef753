import json

import numpy as np
import pyarrow as pa
import pytest
from feature_cases import again, encoded, fitted, make, target
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.preprocessing import MinMaxScaler, QuantileTransformer, RobustScaler, StandardScaler

from trainwright.config.errors import DataError, RunError

numbers = st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=60)


@pytest.mark.parametrize(("scale", "reference"), [("standard", StandardScaler()), ("minmax", MinMaxScaler()), ("robust", RobustScaler())])
@settings(deadline=None)
@given(values=numbers)
def test_scales_agree_with_scikit_learn(scale: str, reference, values: list[float]) -> None:
    if np.std(values) < 1e-3 or np.subtract(*np.quantile(values, [0.75, 0.25])) < 1e-3:
        return
    expected = reference.fit_transform(np.array(values)[:, None])[:, 0]
    np.testing.assert_allclose(encoded(fitted("number", values, scale=scale), values)["value"], expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("output", ["uniform", "normal"])
def test_the_quantile_scale_agrees_with_scikit_learn_inside_the_range(output: str) -> None:
    rng = np.random.default_rng(0)
    values = np.concatenate([np.exp(rng.normal(size=3_000)), rng.integers(1, 4, 2_000)])
    reference = QuantileTransformer(output_distribution=output).fit(values[:, None])
    inside = np.sort(values)[50:-50]
    found = encoded(fitted("number", values, scale="quantile", output=output), inside)["value"]
    np.testing.assert_allclose(found, reference.transform(inside[:, None])[:, 0], atol=2e-6)


def test_the_quantile_scale_gives_a_frequent_smallest_value_the_middle_of_its_range() -> None:
    values = [0.0] * 500 + list(np.linspace(1, 2, 500))
    found = encoded(fitted("number", values, scale="quantile", output="uniform"), [0.0, -5.0, 2.0, 9.0])["value"]
    assert found[0] == found[1] == pytest.approx(0.25, abs=1e-3)
    assert found[2] == found[3] == 1


def test_the_log_scale_is_a_standardised_signed_logarithm() -> None:
    values = np.array([-100.0, -1, 0, 1, 10, 1000])
    logs = np.sign(values) * np.log1p(np.abs(values))
    found = encoded(fitted("number", values, scale="log"), values)["value"]
    np.testing.assert_allclose(found, (logs - logs.mean()) / logs.std(), rtol=1e-6)


def test_no_scale_leaves_numbers_as_they_are() -> None:
    np.testing.assert_array_equal(encoded(fitted("number", [1.0, 2.0], scale="none"), [5.0, -7.5])["value"], np.float32([5, -7.5]))


def test_auto_takes_quantiles_for_heavy_tails_and_standardises_the_rest() -> None:
    rng = np.random.default_rng(0)
    kinds = {name: fitted("number", values).scaling["kind"] for name, values in {
        "normal": rng.normal(size=500), "lognormal": np.exp(2 * rng.normal(size=500)), "outlier": np.append(rng.normal(size=500), 99),
        "levels": np.append(np.zeros(500), [1, 2, 3])}.items()}  # fmt: skip
    assert kinds == {"normal": "standard", "lognormal": "quantile", "outlier": "quantile", "levels": "standard"}


def test_constant_columns_are_zero() -> None:
    for scale in ("standard", "minmax", "robust", "auto", "log"):
        np.testing.assert_array_equal(encoded(fitted("number", [3.0] * 9, scale=scale), [3.0])["value"], [0])


def test_an_interquartile_range_that_is_nothing_beside_the_range_counts_as_none() -> None:
    values = [0.0, 0.0, 0.0, 1.0, 1.6749236526102185e-78]
    np.testing.assert_array_equal(encoded(fitted("number", values, scale="robust"), values)["value"].ravel(), np.float32(values))


@settings(max_examples=30, deadline=None)
@given(numbers, st.lists(st.integers(0, 60), max_size=4), st.sampled_from(["standard", "quantile", "robust", "minmax", "log"]))
def test_the_fit_does_not_depend_on_chunks(values: list[float], cuts: list[int], scale: str) -> None:
    assert fitted("number", values, scale=scale).state() == fitted("number", values, scale=scale, cuts=cuts).state()


@settings(max_examples=30, deadline=None)
@given(numbers, st.sampled_from(["standard", "quantile", "robust", "minmax", "log", "auto"]))
def test_a_restored_column_encodes_the_same_bits(values: list[float], scale: str) -> None:
    feature = fitted("number", [*values, None], scale=scale)
    first, second = encoded(feature, [*values, None]), encoded(again(feature), [*values, None])
    assert first.keys() == second.keys() == {"value", "missing"}
    assert all(np.array_equal(first[part], second[part]) for part in first)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(0, 1e5), min_size=3, max_size=40, unique=True), st.sampled_from(["none", "log"]))
def test_targets_decode_to_what_was_encoded(values: list[float], transform: str) -> None:
    feature = again(fitted("number", values, target=True, transform=transform))
    np.testing.assert_allclose(feature.decode_values(target(feature, values)), values, rtol=2e-5, atol=2e-6 * (1 + max(values)))


def test_a_heavily_skewed_target_is_log_transformed_and_a_symmetric_one_is_not() -> None:
    rng = np.random.default_rng(0)
    assert fitted("number", np.exp(rng.normal(8, 1, 500)), target=True).target_spec().scale["transform"] == "log"
    assert fitted("number", rng.normal(8, 1, 500), target=True).target_spec().scale["transform"] == "none"


def test_target_values_below_zero_survive_a_logarithmic_transform() -> None:
    feature = fitted("number", [0.0, 1.0, 10.0, 1000.0], target=True, transform="log")
    np.testing.assert_allclose(feature.decode_values(target(feature, [-0.5, 3.0])), [-0.5, 3], atol=1e-6)


@pytest.mark.parametrize(
    ("policy", "value"), [("mean", 3.0), ("median", 2.0), ("mode", 1.0), ("constant", 9.0), ("auto", 2.0), ("indicator", 2.0)]
)
def test_missing_values_are_filled_as_the_policy_says(policy: str, value: float) -> None:
    options = {"fill": 9} if policy == "constant" else {}
    parts = encoded(fitted("number", [1.0, 1, None, 2, 3, 8], scale="none", missing=policy, **options), [None, 5.0])
    np.testing.assert_array_equal(parts["value"], np.float32([value, 5]))
    assert ("missing" in parts) == (policy in ("auto", "indicator"))


def test_auto_has_no_indicator_where_training_has_no_missing_values_and_still_fills() -> None:
    parts = encoded(fitted("number", [1.0, 2, 3], scale="none"), [None])
    assert parts.keys() == {"value"}
    assert parts["value"][0] == 2


def test_missing_values_are_an_error_where_asked_and_their_rows_are_named() -> None:
    with pytest.raises(DataError, match=r"missing values: row 2, row 4"):
        fitted("number", [1.0, None, 2.0, None], missing="error")


def test_text_in_a_number_column_is_named_with_its_rows() -> None:
    with pytest.raises(DataError, match=r"row 2 'abc', row 4 'x'"):
        fitted("number", ["1", "abc", " 3 ", "x", "", None])


def test_numbers_written_as_text_are_read() -> None:
    np.testing.assert_array_equal(
        encoded(fitted("number", [1.0, 2.0], scale="none"), [" 3 ", "1e3", None])["value"], np.float32([3, 1e3, 1.5])
    )


def test_infinite_values_are_an_error_or_missing() -> None:
    with pytest.raises(DataError, match="infinite values: row 2"):
        fitted("number", [1.0, np.inf])
    feature = fitted("number", [1.0, np.inf, 3.0], infinity="missing", scale="none")
    assert feature.missing_in_training == 1
    np.testing.assert_array_equal(encoded(feature, [-np.inf])["value"], [2])


def test_values_beyond_float32_are_an_error() -> None:
    with pytest.raises(DataError, match="beyond the range of float32: row 1"):
        encoded(fitted("number", [1.0, 2.0], scale="none"), [1e300])


@pytest.mark.parametrize(
    "kind", [pa.int8(), pa.uint64(), pa.float32(), pa.decimal128(22, 2), pa.bool_(), pa.dictionary(pa.int8(), pa.int64())]
)
def test_every_numeric_arrow_type_is_read(kind: pa.DataType) -> None:
    values = pa.array([0, 1, None], pa.int64()).cast(kind.value_type if pa.types.is_dictionary(kind) else kind)
    values = values.dictionary_encode() if pa.types.is_dictionary(kind) else values
    np.testing.assert_array_equal(encoded(fitted("number", values, scale="none"), values)["value"], np.float32([0, 1, 0.5]))


def test_dates_in_a_number_column_point_to_the_date_type() -> None:
    with pytest.raises(DataError, match="not numbers") as caught:
        fitted("number", pa.array([0], pa.timestamp("s")))
    assert "date" in caught.value.fix


def test_a_constant_or_empty_target_is_an_error() -> None:
    with pytest.raises(DataError, match="constant: every training row has 3"):
        fitted("number", [3.0, 3.0], target=True).check_target()
    with pytest.raises(DataError, match="no value in the training rows"):
        fitted("number", [None, None], target=True).check_target()


def test_an_input_without_any_value_is_zero() -> None:
    np.testing.assert_array_equal(encoded(fitted("number", pa.nulls(3)), pa.nulls(2))["value"], [0, 0])


def test_quantile_edges_are_ascending_in_encoded_units() -> None:
    values = np.exp(np.random.default_rng(0).normal(size=1_000))
    edges = np.array(fitted("number", values, scale="standard").extras()["quantiles"])
    scaled = (values - values.mean()) / values.std()
    assert edges.shape == (49,)
    np.testing.assert_allclose(edges, np.quantile(scaled, np.linspace(0, 1, 49)), rtol=1e-5, atol=1e-6)


def test_values_too_large_to_be_scaled_are_an_error() -> None:
    with pytest.raises(DataError, match=r"too large to be scaled, up to 1e\+300"):
        fitted("number", [1e300, -1e300, 0.0])


def test_a_state_that_lacks_something_is_refused() -> None:
    feature = fitted("number", [1.0, 2.0])
    state = {key: value for key, value in feature.state().items() if key != "scaling"}
    with pytest.raises(RunError, match="lacks 'scaling'"):
        type(feature).restore(feature.config, "age", state)


def test_the_state_of_a_column_without_values_is_strict_json() -> None:
    for scale in ("auto", "standard", "minmax", "quantile", "robust", "log"):
        json.dumps(fitted("number", pa.nulls(3), scale=scale).state(), allow_nan=False)


def test_the_fix_for_values_too_large_can_be_typed() -> None:
    with pytest.raises(DataError) as caught:
        fitted("number", [1e300, -1e300, 0.0])
    assert caught.value.fix == "correct them, or leave the column out: ignore=[column]"


@pytest.mark.parametrize("options", [{"infinity": "error"}, {"invalid": "error"}, {"missing": "error"}])
def test_fixes_are_written_as_they_are_typed(options: dict[str, str]) -> None:
    feature = make("number", **options)
    with pytest.raises(DataError) as caught:
        feature.fit([pa.array(["1", "x" if "invalid" in options else "inf" if "infinity" in options else None])])
    assert f"columns.column.{next(iter(options))}=" in caught.value.fix

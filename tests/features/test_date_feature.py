import datetime

import numpy as np
import pyarrow as pa
import pytest
from feature_cases import again, encoded, fitted
from hypothesis import given, settings
from hypothesis import strategies as st

from trainwright.config.errors import DataError

days = st.dates(datetime.date(1990, 1, 1), datetime.date(2030, 12, 31))


@settings(deadline=None, max_examples=25)
@given(
    st.lists(days, min_size=1, max_size=20),
    st.sampled_from(["%Y-%m-%d", "%d.%m.%Y", "%Y/%m/%d", "%Y%m%d", "%d-%b-%Y", "%B %d, %Y", "%Y-%m-%d %H:%M"]),
)
def test_every_common_format_is_read_as_the_date_it_stands_for(values: list[datetime.date], pattern: str) -> None:
    typed, text = pa.array(values), pa.array([value.strftime(pattern) for value in values])
    feature = fitted("date", typed)
    np.testing.assert_array_equal(encoded(feature, typed)["value"], encoded(fitted("date", text), text)["value"])


@settings(deadline=None, max_examples=15)
@given(st.lists(days, min_size=1, max_size=20), st.lists(st.integers(0, 20), max_size=3))
def test_the_fit_does_not_depend_on_chunks_and_survives_json(values: list[datetime.date], cuts: list[int]) -> None:
    text = pa.array([value.strftime("%d/%m/%Y") for value in values])
    feature = fitted("date", text)
    assert feature.state() == fitted("date", text, cuts=cuts).state()
    np.testing.assert_array_equal(encoded(feature, text)["value"], encoded(again(feature), text)["value"])


def test_whether_the_day_or_the_month_comes_first_is_decided_by_all_training_rows() -> None:
    feature = fitted("date", ["01/02/2020", "03/04/2020", "25/12/2020"], components=["month"])
    month = encoded(feature, ["01/02/2020"])["value"][0]
    np.testing.assert_allclose(month, [np.sin(2 * np.pi / 12), np.cos(2 * np.pi / 12)], rtol=1e-6)


def test_components_are_points_on_circles_and_a_standardised_year() -> None:
    feature = fitted("date", ["2020-01-01", "2022-01-01"])
    value = encoded(feature, ["2021-04-01"])["value"][0]
    assert feature.extras()["components"] == ["year", "month_sin", "month_cos", "day_sin", "day_cos", "weekday_sin", "weekday_cos"]
    np.testing.assert_allclose(value[:5], [90 / 365, 1, 0, 0, 1], atol=1e-6)
    thursday = 2 * np.pi * 3 / 7
    np.testing.assert_allclose(value[5:], [np.sin(thursday), np.cos(thursday)], atol=1e-6)


def test_the_hour_is_encoded_where_training_has_times_of_day() -> None:
    feature = fitted("date", ["2020-01-01 06:00:00", "2020-01-02T18:30:00.250"])
    assert "hour_sin" in feature.names
    np.testing.assert_allclose(encoded(feature, ["2020-01-01 06:00"])["value"][0, -2:], [1, 0], atol=1e-6)


def test_zones_are_converted() -> None:
    text = ["2020-01-01T23:30:00Z", "2020-01-01T20:00:00+02:00"]
    options = {"components": ["hour"], "timezone": "Europe/Paris"}
    found = encoded(fitted("date", text, **options), text)["value"]
    hours = np.array([0.5, 19.0]) / 24 * 2 * np.pi
    np.testing.assert_allclose(found, np.stack([np.sin(hours), np.cos(hours)], 1), atol=1e-6)
    typed = pa.array([1577921400], pa.timestamp("s", "UTC"))
    np.testing.assert_allclose(encoded(fitted("date", text, **options), typed)["value"], found[:1], atol=1e-6)


def test_an_unknown_zone_is_an_error() -> None:
    with pytest.raises(DataError, match="'Europe/Pariss' is not known"):
        fitted("date", ["2020-01-01T00:00:00Z"], timezone="Europe/Pariss")


def test_seconds_since_1970_are_read_where_told() -> None:
    feature = fitted("date", [0, 86_400], format="epoch")
    np.testing.assert_array_equal(encoded(feature, [86_400])["value"], encoded(feature, pa.array([datetime.date(1970, 1, 2)]))["value"])


def test_missing_dates_are_zero_and_told_to_the_model() -> None:
    feature = fitted("date", ["2020-01-01", None, "2021-05-01"])
    value = encoded(feature, [None, "2021-05-01"])["value"]
    assert feature.names[-1] == "missing"
    np.testing.assert_array_equal(value[0], [0] * 7 + [1])
    assert value[1, -1] == 0


def test_a_constant_replaces_missing_dates() -> None:
    feature = fitted("date", ["2020-01-01", None], missing="constant", fill="2019-05-05")
    np.testing.assert_array_equal(encoded(feature, [None])["value"], encoded(feature, ["2019-05-05"])["value"])


def test_text_that_is_no_date_is_an_error_with_rows() -> None:
    with pytest.raises(DataError, match="not a date: row 2 'soon'"):
        fitted("date", ["2020-01-01", "soon"])
    with pytest.raises(DataError, match="row 1 '2020-01-01'") as caught:
        encoded(fitted("date", ["01.02.2020"], format="%d.%m.%Y"), ["2020-01-01"])
    assert "%d.%m.%Y" in caught.value.why

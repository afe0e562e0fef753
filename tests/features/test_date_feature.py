import datetime

import numpy as np
import pyarrow as pa
import pytest
from feature_cases import again, encoded, fitted, make
from hypothesis import given, settings
from hypothesis import strategies as st

from trainwright.config.errors import DataError
from trainwright.features.base import Counts, Feature

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


def months(feature: Feature, values: list[str | None]) -> list[int]:
    """The months a column of components=[month] encodes, 0 where a value could not be read."""
    found = encoded(feature, pa.array(values, pa.string()))["value"][:, :2]
    return [round(np.arctan2(sine, cosine) / (2 * np.pi) * 12) % 12 + 1 if sine or cosine else 0 for sine, cosine in found]


def test_an_order_that_training_decided_holds_where_later_values_suggest_the_other() -> None:
    day, month = (fitted("date", values, components=["month"]) for values in (["01/02/2020", "25/12/2020"], ["01/02/2020", "12/25/2020"]))
    assert (day.order, month.order) == ("day_first", "month_first")
    for feature in (day, month):
        wanted = 4 if feature is day else 3
        assert months(again(feature), ["03/04/2020"]) == [wanted]
        other = "05/13/2020" if feature is day else "13/05/2020"
        assert months(again(feature), ["03/04/2020", other, "13/25/2020", "2020-07-01", None]) == [wanted, 0, 0, 7, 0]


def test_values_in_the_other_order_are_counted() -> None:
    feature = fitted("date", ["01/02/2020", "25/12/2020"])
    counts = Counts()
    feature.encode(pa.array(["05/13/2020", "01/02/2020", None, "31/02/2020"]), np.arange(4), counts)
    assert (counts.invalid, counts.missing) == (2, 3)


def test_an_order_that_was_assumed_is_stated_and_can_be_given() -> None:
    assumed = fitted("date", ["01/02/2020", "03/04/2020"], components=["month"])
    assert "month first" in assumed.notes()[0] and "assumed" in assumed.notes()[0] and "order=day_first" in assumed.notes()[0]
    assert months(assumed, ["01/02/2020"]) == [1]
    given_ = fitted("date", ["01/02/2020", "03/04/2020"], components=["month"], order="day_first")
    assert months(again(given_), ["01/02/2020"]) == [2]
    assert "2 of them" not in given_.notes()[0]
    decided = fitted("date", ["01-02-2020", "25-12-2020"])
    assert "as 1 of them" in decided.notes()[0]
    assert fitted("date", ["2020-01-02"]).notes() == []


def test_training_rows_in_two_orders_are_refused_or_counted() -> None:
    values = ["01/02/2020", "25/12/2020", "26/12/2020", "12/27/2020"]
    with pytest.raises(DataError, match="2 can only be read day first, 1 only month first") as caught:
        fitted("date", values)
    assert "invalid=missing" in caught.value.fix
    feature = fitted("date", values, invalid="missing", components=["month"])
    assert months(feature, values) == [2, 12, 12, 0]


def test_no_order_is_assumed_for_a_column_that_training_had_in_iso() -> None:
    feature = fitted("date", ["2020-01-02", "2021-05-06"], components=["month"])
    assert months(again(feature), ["03/04/2020", "25/12/2020", "04.03.2020", "2020-03-04"]) == [0, 0, 3, 3]


def test_a_row_left_out_for_its_missing_date_does_not_ask_for_the_order_first() -> None:
    feature = make("date", missing="drop")
    assert feature.dropped(pa.array(["05/13/2020", None]), np.arange(2)).tolist() == [False, True]


@settings(deadline=None, max_examples=20)
@given(st.lists(st.sampled_from(["2020-01-02", "2020-01-02 03:04:05.678", "2020-01-02T03:04Z", "2020-01-02 10:00+02:00", "02.01.2020 05:06",
                                 "1/2/2020", "2020-02-31", "Jan 2, 2020"]), min_size=1, max_size=6))  # fmt: skip
def test_a_date_is_read_alike_whatever_stands_beside_it(values: list[str]) -> None:
    feature = fitted("date", ["1/2/2020", "12/25/2020 10:00"], invalid="missing", timezone="Europe/Paris")
    whole = encoded(feature, values)["value"]
    for position, value in enumerate(values):
        np.testing.assert_array_equal(encoded(feature, [value])["value"][0], whole[position])


@pytest.mark.parametrize("text", ["31/02/2020", "30.02.2020", "31 Apr 2020", "20210229", "2021/02/29", "2021-02-29"])
def test_a_day_that_no_calendar_has_is_no_date(text: str) -> None:
    with pytest.raises(DataError, match="not a date"):
        fitted("date", ["28/02/2020", text])

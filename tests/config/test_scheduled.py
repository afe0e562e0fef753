"""A scheduled number is what its list says at every step, and is written as it is read."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from trainwright.config.errors import ConfigError
from trainwright.config.model import ConfigModel
from trainwright.config.scheduled import Scheduled


class Weighted(ConfigModel):
    weight: Scheduled = Scheduled((1.0,))
    """How much it counts."""


@pytest.mark.parametrize(
    ("given_as", "wanted"),
    [
        (0.5, {(0, 0.0): 0.5, (10**6, 99.5): 0.5}),
        (3, {(7, 0.1): 3.0}),
        ([1.0, 0.0, 100], {(0, 9.0): 1.0, (25, 9.0): 0.75, (100, 9.0): 0.0, (900, 9.0): 0.0}),
        ([50, 1.0, 3.0, 150], {(0, 0.0): 1.0, (50, 0.0): 1.0, (100, 0.0): 2.0, (150, 0.0): 3.0, (151, 0.0): 3.0}),
        ([0, 1.0, 0.0, 4.0], {(99, 0.0): 1.0, (99, 1.0): 0.75, (99, 5.0): 0.0}),
        (
            [0, 0.0, 1.0, 10, 5.0, 20, 2.0, 50],
            {(5, 0.0): 0.5, (10, 0.0): 1.0, (15, 0.0): 3.0, (20, 0.0): 5.0, (35, 0.0): 3.5, (60, 0.0): 2.0},
        ),
        (["2 epochs", 1.0, 0.0, "4 epochs"], {(0, 1.9): 1.0, (0, 3.0): 0.5}),
        ([1.0, 0.0, "200 steps"], {(50, 0.0): 0.75}),
        ({"values": [0, 1.0, 0.01, 100], "shape": "exponential"}, {(0, 0.0): 1.0, (50, 0.0): 0.1, (100, 0.0): 0.01}),
        ({"values": [-8.0, -2.0, 2], "shape": "exponential"}, {(1, 0.0): -4.0}),
    ],
)
def test_the_value_is_what_the_list_says(given_as: Any, wanted: dict[tuple[int, float], float]) -> None:
    number = Scheduled.parse(given_as)
    assert {at: number.value(*at) for at in wanted} == pytest.approx(wanted)


VALUES = st.floats(0.01, 100)


@st.composite
def lists(draw: st.DrawFn) -> Any:
    places = sorted(draw(st.sets(st.integers(0, 10**6), min_size=2, max_size=5)))
    values = draw(st.lists(VALUES, min_size=len(places), max_size=len(places)))
    listed = [places[0], values[0], *(each for pair in zip(values[1:], places[1:], strict=True) for each in pair)]
    return draw(st.sampled_from([listed, {"values": listed, "shape": "exponential"}]))


@given(given_as=lists(), step=st.integers(0, 2 * 10**6))
def test_it_stays_between_its_values_and_meets_them_at_their_places(given_as: Any, step: int) -> None:
    number = Scheduled.parse(given_as)
    assert number.least * (1 - 1e-9) <= number.value(step, 0.0) <= number.most * (1 + 1e-9)
    assert [number.value(int(place), 0.0) for place in number.places] == pytest.approx(number.values)


@given(given_as=st.one_of(st.floats(-1e9, 1e9), st.integers(-5, 5), lists()))
def test_it_is_written_as_it_is_read(given_as: Any) -> None:
    model = Weighted.model_validate({"weight": given_as})
    assert Weighted.model_validate(json.loads(json.dumps(model.model_dump(mode="json")))) == model


def test_it_prints_as_yaml_would_have_it() -> None:
    assert str(Scheduled.parse(0.5)) == "0.5"
    assert str(Scheduled.parse([1.0, 0.1, 500])) == "[0 steps, 1, 500 steps]".replace("1, 500", "1, 0.1, 500")
    assert str(Scheduled.parse({"values": [0, 1, 2, 3.0], "shape": "exponential"})).startswith("{values: [0 epochs, 1, 2, 3")


@pytest.mark.parametrize(
    ("given_as", "message"),
    [
        ([1.0, 2.0], "3, 4, 6, 8"),
        ([0, 1.0, 2.0, 10, 3.0], "3, 4, 6, 8"),
        ([10, 1.0, 2.0, 5], "must increase"),
        ([0, 1.0, 2.0, 5, 3.0, 5], "must increase"),
        ([1.0, 2.0, 0], "must increase"),
        ([0, 1.0, 2.0, 5, 3.0, 7.5], "count steps and epochs"),
        (["2 epochs", 1.0, 2.0, 500], "count steps and epochs"),
        ([1.0, 2.0, "2 h"], "counts neither steps nor epochs"),
        ([1.0, 2.0, "5 epochz"], "unknown unit"),
        ([-5, 1.0, 2.0, 10], "below 0"),
        ([2.5, 1.0, 2.0, 10], "no whole number of steps"),
        ([True, 1.0, 10], "no number"),
        ("0.5", "no number"),
        (float("nan"), "not finite"),
        ([1.0, float("inf"), 10], "not finite"),
        (None, "no number"),
        ({"values": [1.0, 0.0, 10], "shape": "exponential"}, "one sign"),
        ({"values": [1.0, 0.5, 10], "shape": "expo"}, "unknown shape"),
        ({"value": [1.0, 0.5, 10]}, "unknown key"),
        ({"values": 3}, "no list"),
    ],
)
def test_what_is_no_scheduled_number_is_refused_with_a_way_to_write_it(given_as: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        Scheduled.parse(given_as)
    assert caught.value.fix


@given(given_as=lists())
def test_a_step_changes_it_by_no_more_than_the_steepest_piece(given_as: Any) -> None:
    number = Scheduled.parse(given_as)
    middle = int(number.places[1])
    before, after = (number.value(step, 0.0) for step in (middle - 1, middle))
    lengths = [after - before for before, after in pairwise(number.places)]
    assert abs(after - before) <= (number.most - number.least) + 1e-9
    if min(lengths) > 100 and number.shape == "linear":
        assert abs(after - before) <= (number.most - number.least) / min(lengths) + 1e-9


def test_its_schema_takes_a_number_a_list_or_a_mapping() -> None:
    schema = TypeAdapter(Scheduled).json_schema()
    assert [each["type"] for each in schema["anyOf"]] == ["number", "array", "object"]
    assert Weighted.model_json_schema()["properties"]["weight"]["description"] == "How much it counts."

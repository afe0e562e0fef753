from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from trainwright.config.durations import UNITS, Duration
from trainwright.config.errors import ConfigError
from trainwright.config.sizes import Bytes


@pytest.mark.parametrize(
    ("text", "value", "unit"),
    [
        ("10 epochs", 10, "epochs"),
        ("1 epoch", 1, "epochs"),
        ("500steps", 500, "steps"),
        ("1e3 steps", 1000, "steps"),
        ("2 h", 2, "h"),
        ("30 min", 30, "min"),
        ("1.5 Hours", 1.5, "h"),
        (".1 run", 0.1, "run"),
    ],
)
def test_a_duration_is_a_number_and_a_unit(text, value, unit):
    assert Duration.parse(text) == Duration(value, unit)


@given(st.one_of(st.integers(0, 10**9), st.floats(0, 1e9)), st.sampled_from(["epochs", "s", "min", "h", "d"]))
def test_a_duration_prints_as_text_that_parses_to_itself(value, unit):
    duration = Duration.parse(f"{value!r} {unit}")
    assert Duration.parse(str(duration)) == duration


@pytest.mark.parametrize(("text", "seconds"), [("10 s", 10), ("2 min", 120), ("1 h", 3600), ("0.5 d", 43200)])
def test_a_time_is_counted_in_seconds(text, seconds):
    assert Duration.parse(text).seconds == seconds
    assert Duration.parse(text).kind == "time"


def test_a_count_of_steps_is_no_time():
    with pytest.raises(ConfigError, match="'5 steps' is not a time"):
        _ = Duration.parse("5 steps").seconds


@pytest.mark.parametrize(
    ("text", "what", "fix"),
    [
        ("10 epochz", "unknown unit 'epochz'", "did you mean '10 epochs'?"),
        ("1 stpe", "unknown unit 'stpe'", "did you mean '1 step'?"),
        ("10", "'10' has no unit", "'10 steps'"),
        (10, "10 has no unit", "'10 epochs'"),
        ("often", "'often' is not a duration", "'500 steps'"),
        ("-3 s", "'-3 s' is not a duration", "'30 min'"),
        ("0.5 steps", "not a whole number of steps", "500 steps"),
        ("3 run", "more than the whole run", "0.1 run"),
        (True, "True is not a duration", "10 epochs"),
    ],
)
def test_a_wrong_duration_is_refused_with_a_way_to_write_it(text, what, fix):
    with pytest.raises(ConfigError) as caught:
        Duration.parse(text)
    assert what in caught.value.what
    assert fix in caught.value.fix


@pytest.mark.parametrize(
    ("text", "count"), [("4 GiB", 4 << 30), ("500 MB", 500_000_000), ("4gib", 4 << 30), ("1.5 KiB", 1536), (12345, 12345), ("7", 7), (0, 0)]
)
def test_a_size_is_a_number_of_bytes(text, count):
    assert Bytes.parse(text) == count


@given(st.integers(0, 2**60))
def test_a_size_prints_as_text_that_parses_to_itself(count):
    assert Bytes.parse(str(Bytes(count))) == count


def test_a_size_prints_in_its_shortest_exact_unit():
    assert [str(Bytes(each)) for each in (4 << 30, 500_000_000, 12345)] == ["4 GiB", "500 MB", "12345 B"]


@pytest.mark.parametrize("text", ["3 GX", "x", -1, 1.5, None])
def test_a_wrong_size_is_refused(text):
    with pytest.raises(ConfigError):
        Bytes.parse(text)


@pytest.mark.parametrize("kind", [Duration, Bytes])
def test_the_json_schema_accepts_what_the_parser_accepts(kind):
    import re

    schema = TypeAdapter(kind).json_schema()
    pattern = schema.get("pattern") or schema["anyOf"][0]["pattern"]
    texts = [f"2 {unit}" for unit in UNITS] if kind is Duration else ["2 GiB", "2 kb", "1.5MB", "3"]
    assert all(re.search(pattern, each) for each in texts)
    assert not re.search(pattern, "2 epochz")

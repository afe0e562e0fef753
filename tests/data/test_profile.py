from __future__ import annotations

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from trainwright.data.profile import CAP, FLOAT_CAP, ColumnProfile, profile
from trainwright.data.sources.opening import from_object


def one(values: object) -> ColumnProfile:
    return profile(from_object(pa.table({"a": values})))[0]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.one_of(st.none(), st.floats(allow_nan=False, allow_infinity=False)), min_size=1))
def test_numbers_are_counted_as_python_counts_them(values: list[float | None]) -> None:
    there = [value for value in values if value is not None]
    found = one(pa.array(values, pa.float64()))
    assert (found.count, found.missing, found.unique) == (len(values), values.count(None), len(set(there)))
    assert found.all_integer == (bool(there) and all(value == int(value) for value in there))
    if there:
        assert (found.minimum, found.maximum) == (min(there), max(there))


@settings(max_examples=50, deadline=None)
@given(st.lists(st.one_of(st.none(), st.text(max_size=4)), min_size=1))
def test_texts_are_counted_as_python_counts_them(values: list[str | None]) -> None:
    there = [value for value in values if value is not None]
    found = one(pa.array(values, pa.string()))
    assert (found.missing, found.unique, found.values) == (values.count(None), len(set(there)), list(dict.fromkeys(there)))
    assert found.length_high == (max(map(len, there)) if there else None)


def test_counting_stops_at_the_cap() -> None:
    whole, fractions = one(np.arange(300_000)), one(np.arange(300_000) / 7)
    assert (whole.unique, whole.unique_capped, fractions.unique, fractions.unique_capped) == (CAP, True, FLOAT_CAP, True)
    few = one(np.tile(np.arange(5_000), 60))
    assert (few.unique, few.unique_capped) == (5_000, False)


def test_counting_up_is_seen_across_pieces() -> None:
    assert one(np.arange(1, 200_001)).counts_up
    broken = np.arange(200_000)
    broken[150_000] = 7
    assert not one(broken).counts_up
    assert not one(pa.array([1, None, 3])).counts_up


def test_infinite_values_are_counted_and_their_rows_kept() -> None:
    values = np.zeros(100_000)
    values[[5, 70_000, 70_001]] = [np.inf, -np.inf, np.inf]
    found = one(values)
    assert (found.infinite, found.infinite_rows) == (3, [5, 70_000, 70_001])


def test_nan_is_missing() -> None:
    assert one(np.array([1.0, np.nan])).missing == 1


def test_lists_have_lengths_and_examples() -> None:
    found = one(pa.array([[1.0], [1.0, 2.0], None]))
    assert (found.length_low, found.length_high, found.missing, found.values) == (1, 2, 1, [[1.0], [1.0, 2.0]])


def test_a_fraction_in_a_late_row_is_seen() -> None:
    values = np.zeros(100_000)
    values[-1] = 0.5
    assert not one(values).all_integer


def test_the_profile_of_a_streamed_file_is_the_same(tmp_path, opened) -> None:
    generator = np.random.default_rng(1)
    rows = 100_000
    text = "a,b,c,d\n" + "".join(f"{a:.3f},{b},{c},{d}\n" for a, b, c, d in zip(generator.normal(size=rows), range(rows), generator.integers(0, 9, rows), generator.choice(["x", "y", ""], rows), strict=True))  # fmt: skip  # noqa: E501
    (tmp_path / "x.csv").write_text(text)
    assert profile(opened(tmp_path / "x.csv")) == profile(opened(tmp_path / "x.csv", 0))

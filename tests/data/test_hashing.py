from __future__ import annotations

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from trainwright.data.hashing import mix, row_hashes, unmix, value_hashes, without_columns
from trainwright.data.sources.opening import from_object

VALUES = st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1))


@settings(max_examples=100, deadline=None)
@given(st.lists(st.one_of(st.none(), st.text(max_size=5)), min_size=2, max_size=30))
def test_texts_have_equal_hashes_exactly_when_they_are_equal(values: list[str | None]) -> None:
    hashes = value_hashes(pa.array(values, pa.string()))
    assert len(set(hashes.tolist())) == len(set(values))
    assert (value_hashes(pa.array(["pad", *values], pa.string())[1:]) == hashes).all()


@settings(max_examples=100, deadline=None)
@given(st.lists(VALUES, min_size=1))
def test_whole_numbers_have_equal_hashes_exactly_when_they_are_equal(values: list[int | None]) -> None:
    assert len(set(value_hashes(pa.array(values, pa.int64())).tolist())) == len(set(values))


@settings(max_examples=100, deadline=None)
@given(st.lists(st.lists(st.sampled_from(["a", "b", "ab", ""]), max_size=4), min_size=1))
def test_lists_have_equal_hashes_exactly_when_they_are_equal(values: list[list[str]]) -> None:
    assert len(set(value_hashes(pa.array(values, pa.list_(pa.string()))).tolist())) == len(set(map(tuple, values)))


def test_the_same_number_has_the_same_hash_in_every_type() -> None:
    numbers = [pa.array([0, 1, 2], kind) for kind in (pa.int8(), pa.int64(), pa.uint64(), pa.float32(), pa.float64())]
    assert len({value_hashes(each).tobytes() for each in numbers}) == 1
    assert value_hashes(pa.array([-0.0]))[0] == value_hashes(pa.array([0.0]))[0]
    assert value_hashes(pa.array([True]))[0] == value_hashes(pa.array([1]))[0]
    assert len({int(value_hashes(each)[0]) for each in (pa.nulls(1), pa.array([None], pa.string()), pa.array([None], pa.int64()))}) == 1


def test_rows_differ_when_values_change_columns() -> None:
    first, second = from_object({"a": [1, 2], "b": [2, 1]}), from_object({"b": [2, 2], "a": [1, 1]})
    assert row_hashes(first)[0] == row_hashes(second)[0] == row_hashes(second)[1] != row_hashes(first)[1]
    assert (row_hashes(first, ["a"]) == row_hashes(from_object({"a": [1.0, 2.0]}))).all()


@given(st.lists(st.integers(0, 2**64 - 1), min_size=1))
def test_mixing_can_be_undone(values: list[int]) -> None:
    numbers = np.array(values, np.uint64)
    assert (unmix(mix(numbers)) == numbers).all()


def test_columns_can_be_taken_out_of_a_hash() -> None:
    source = from_object({"a": [1, 2, 3], "b": ["x", None, "y"], "c": [0.5, 1.5, 2.5]})
    assert (without_columns(row_hashes(source), source, ["b"]) == row_hashes(source, ["a", "c"])).all()


def test_every_bit_of_the_hash_is_used() -> None:
    hashes = row_hashes(from_object({"a": np.arange(100_000), "b": np.zeros(100_000)}))
    assert len(np.unique(hashes)) == 100_000
    shares = [float(((hashes >> np.uint64(bit)) & np.uint64(1)).mean()) for bit in range(64)]
    assert all(0.49 < share < 0.51 for share in shares)

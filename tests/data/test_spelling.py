"""Values that differ only in blanks, case or Unicode form are said, and are one where that is asked for."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainwright.data.inference import infer, join_spellings
from trainwright.data.profile import profile
from trainwright.data.sources.opening import from_object
from trainwright.data.spelling import JOINS, choose_joins, groups_alike, in_words, join_column, joined_counts, key_of

NFC, NFD = "caf\u00e9", "cafe\u0301"


@pytest.mark.parametrize(
    ("words", "needed"),
    [
        (["yes", "yes ", "no"], ["blanks"]),
        (["yes", "yes\u00a0", "\u2003no", "no"], ["blanks"]),
        (["New  York", "New York"], ["blanks"]),
        (["a\u200bb", "ab"], ["blanks"]),
        (["yes", "YES", "Yes"], ["case"]),
        (["straße", "STRASSE"], ["case"]),
        ([NFC, NFD], ["unicode"]),
        (["\uff39\uff25\uff33", "YES"], ["unicode"]),
        (["No ①", "No 1"], ["unicode"]),
        (["yes", " YES", "no"], ["blanks", "case"]),
        ([NFC, NFD.upper(), f"{NFC} "], ["blanks", "case", "unicode"]),
        (["yes", "no", "yess"], []),
        ([], []),
    ],
)
def test_the_fewest_joins_are_named(words: list[str], needed: list[str]) -> None:
    assert choose_joins(words) == needed


def test_the_most_frequent_spelling_names_a_value() -> None:
    assert joined_counts({"yes": 2, "YES ": 5, "no": 1}, ["blanks", "case"]) == {"YES": 7, "no": 1}
    assert joined_counts({NFD: 3, NFC: 1}, ["unicode"]) == {NFC: 4}
    assert joined_counts({"b": 1, "B": 1}, ["case"]) == {"B": 2}
    assert joined_counts({"a": 1, "a ": 2}, []) == {"a": 1, "a ": 2}


@given(st.lists(st.text(max_size=6), max_size=8), st.lists(st.sampled_from(JOINS), unique=True))
def test_the_name_of_a_value_has_the_key_of_all_its_spellings(words: list[str], join: list[str]) -> None:
    names = joined_counts(dict.fromkeys(words, 1), join)
    key = key_of(join)
    assert {key(name) for name in names} == {key(word) for word in words}


def test_groups_are_shown_so_that_the_difference_is_seen() -> None:
    assert in_words(["yes", "yes "]) == "'yes' = 'yes '"
    assert "\\u0301" in in_words([NFC, NFD]) and "\\xa0" in in_words(["a b", "a\u00a0b"])
    assert groups_alike(["a", "b"]) == []


def test_a_column_keeps_its_missing_values() -> None:
    values = pa.chunked_array([["yes", None], ["YES"]])
    assert join_column(values, ["case"]).to_pylist() == ["yes", None, "yes"]
    assert join_column(pa.chunked_array([[1]]), ["case"]).to_pylist() == [1]


def warned(values: object, target: bool = True, kind: str = "auto", join: tuple[str, ...] = ()) -> tuple[str, list[str]]:
    profiles = [
        join_spellings(each, join if each.name == "y" else ()) for each in profile(from_object({"y": values, "x": range(len(values))}))
    ]  # type: ignore[arg-type]
    found = infer(profiles, ["y"] if target else [], {"y": kind} if kind != "auto" else {})[0]
    return found.type, found.warnings


def test_a_target_is_told_of_and_joined_on_request() -> None:
    kind, warnings = warned(["yes", "yes ", "no", " NO"] * 10)
    assert kind == "category"
    assert "columns.y.join=[blanks, case] joins them and makes it binary" in warnings[0]
    assert warned(["yes", "yes ", "no", " NO"] * 10, join=("blanks", "case")) == ("binary", [])
    assert "binary" not in warned(["a", "a ", "b", "c"] * 10)[1][0]


def test_inputs_sets_and_given_types_are_told_of_too() -> None:
    assert "join=[case]" in warned(["red", "Red", "blue", "green"] * 10, target=False)[1][0]
    assert "join=[blanks]" in warned(["red", "red ", "blue", "green"] * 10, kind="category")[1][0]
    assert "join=[case]" in warned([["red", "big"], ["Red"], ["blue", "big"], ["big"]] * 10)[1][0]
    assert "join=[case]" in warned(["red|big", "Red|big", "blue|red", "big|blue"] * 10)[1][0]
    assert warned([f"Some words about the {row} Thing seen here" for row in range(60)], target=False)[1] == []
    assert warned(range(40))[1] == []

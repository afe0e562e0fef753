"""Spellings joined on request are one class in training, for later rows and in predictions."""

from __future__ import annotations

import numpy as np
import pytest
from feature_cases import again, encoded, fitted, target

from trainwright.config.errors import DataError

ALL = ["blanks", "case", "unicode"]


def test_a_category_has_one_class_for_all_spellings() -> None:
    values = ["red", "Red", "RED ", "blue", "\uff22\uff2c\uff35\uff25", "green", "green", "red"]
    feature = fitted("category", values, join=ALL)
    assert feature.classes == ["blue", "green", "red"] or feature.classes == ["BLUE", "green", "red"]
    for one in (feature, again(feature)):
        found = encoded(one, ["red", " rEd", "BLUE", "green\u200b", "black"])["index"].tolist()
        assert found[0] == found[1] and found[-1] == 0 and len(set(found)) == 4


def test_a_target_is_decoded_to_its_most_frequent_spelling() -> None:
    feature = fitted("category", ["yes", "Yes ", "Yes ", "no", "no", "maybe"], target=True, join=["blanks", "case"])
    assert feature.classes == ["Yes", "maybe", "no"]
    assert target(again(feature), ["YES", " no", "Maybe"]).tolist() == [0, 2, 1]
    assert feature.decode({"scores": np.eye(3)})["column_prediction"].to_pylist() == ["Yes", "maybe", "no"]


@pytest.mark.parametrize("values", [["up", "UP ", "down", "Down"], ["yes", "yes ", "no", " no"], ["0", "0 ", "1", " 1"]])
def test_a_binary_column_has_two_values_after_joining(values: list[str]) -> None:
    feature = fitted("binary", values * 2, target=True, join=["blanks", "case"])
    assert len(feature.classes) == 2 and feature.tally == [4, 4]
    sides = target(again(feature), values)
    assert sides[0] == sides[1] != sides[2] == sides[3]


def test_without_joining_four_values_are_no_binary() -> None:
    with pytest.raises(DataError, match="more than two values"):
        fitted("binary", ["up", "UP ", "down", "Down"])


def test_the_positive_value_may_be_named_in_any_spelling() -> None:
    feature = fitted("binary", ["up", "UP", "up", "down"], join=["case"], positive="Down")
    assert feature.classes == ["up", "down"]


def test_labels_of_sets_are_joined() -> None:
    feature = fitted("set", ["red|Big", "RED|small", "Red |big", "small"], target=True, join=["blanks", "case"], delimiter="|")
    assert len(feature.vocabulary) == 3 and sorted(feature.tally) == [2, 2, 3]
    assert {word.casefold() for word in feature.vocabulary} == {"red", "big", "small"}
    np.testing.assert_array_equal(target(again(feature), ["rEd|BIG"]), target(feature, ["RED|big"]))
    assert target(feature, ["rEd|BIG|Big"]).sum() == 2


def test_a_constant_filling_may_be_spelt_in_any_way() -> None:
    feature = fitted("category", ["red", "red", "blue", "blue", None], missing="constant", fill="RED", join=["case"])
    assert encoded(feature, [None])["index"].tolist() == encoded(feature, ["red"])["index"].tolist()


def test_a_class_in_another_spelling_is_told_how_to_be_joined() -> None:
    feature = fitted("category", ["up", "down", "left"], target=True)
    with pytest.raises(DataError, match="no training row has") as caught:
        target(feature, ["UP "])
    assert "columns.column.join=[blanks, case]" in caught.value.fix
    with pytest.raises(DataError) as caught:
        target(feature, ["right"])
    assert "join" not in caught.value.fix

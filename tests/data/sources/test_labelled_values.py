"""Columns in memory with labels, tensors, iterators and sets: read in the order of their rows, or refused."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest
import torch

from trainwright.config.errors import DataError
from trainwright.data.sources.opening import from_object

FRAME = pd.DataFrame({"a": [1.5, 2.5, 3.5], "b": ["p", "q", "r"]}, index=[7, 8, 9])


@pytest.mark.parametrize(
    "given",
    [
        FRAME.to_dict(),
        FRAME.to_dict("series"),
        {"a": iter([1.5, 2.5, 3.5]), "b": (value for value in "pqr")},
        {"a": [torch.tensor(1.5), torch.tensor(2.5), torch.tensor(3.5)], "b": ["p", "q", "r"]},
    ],
)
def test_columns_with_labels_iterators_and_tensors_are_read_row_by_row(given: Any) -> None:
    assert from_object(given).read().to_pydict() == {"a": [1.5, 2.5, 3.5], "b": ["p", "q", "r"]}


@pytest.mark.parametrize("row", [pd.Series({"a": 1.5, "b": "p"}), FRAME.iloc[0], {"a": torch.tensor(1.5), "b": "p"}])
def test_one_row_is_a_table_of_one_row(row: Any) -> None:
    assert from_object(row).read().to_pydict() == {"a": [1.5], "b": ["p"]}


@pytest.mark.parametrize(
    "given, words",
    [
        ({"a": {1.0, 2.0}, "b": ["p", "q"]}, "has no order"),
        ({"a": FRAME["a"], "b": FRAME["b"].iloc[::-1]}, "other labels"),
        ({"a": {0: 1.0, 1: 2.0}, "b": {1: "p", 0: "q"}}, "other labels"),
    ],
)
def test_columns_without_one_order_are_refused(given: Any, words: str) -> None:
    with pytest.raises(DataError, match=words):
        from_object(given).read()

"""A value that is asked for when a row is logged is the one that logging it at every step as the last would have given."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from trainwright.engine.running import RunningValues

NUMBERS = st.lists(st.floats(-1e6, 1e6, allow_nan=False), min_size=1, max_size=8)


@given(values=NUMBERS, mean=NUMBERS)
def test_following_gives_what_adding_the_last_gives(values: list[float], mean: list[float]) -> None:
    added, followed = RunningValues(), RunningValues()
    total = {"now": torch.zeros((), dtype=torch.float64)}
    for value in values:
        total["now"] = total["now"] + value
        added.add("mean of the epoch", total["now"], "last")
        followed.follow("mean of the epoch", lambda: total["now"])
    for value in mean:
        added.add("other", value)
        followed.add("other", value)
    assert list(followed.values().items()) == list(added.values().items())
    again = RunningValues()
    again.load(followed.tensors())
    assert again.values() == added.values()
    assert all(torch.equal(tensor, added.tensors()[name]) for name, tensor in followed.tensors().items())


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 0.0])
def test_what_is_not_finite_or_zero_is_followed_too(value: float) -> None:
    values: dict[str, Any] = {}
    for way in ("add", "follow"):
        running = RunningValues()
        if way == "add":
            running.add("a", value, "last")
        else:
            running.follow("a", lambda: value)
        values[way] = running.values()["a"]
    assert values["add"] == pytest.approx(values["follow"], nan_ok=True)


def test_a_row_forgets_what_was_followed_and_a_name_may_be_added_again() -> None:
    running = RunningValues()
    running.follow("a", lambda: 3.0)
    running.add("a", 5.0)
    assert running.values() == {"a": 5.0}
    running.reset()
    assert running.values() == {}

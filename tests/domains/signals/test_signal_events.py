"""Events in time: marks, peaks and what was found within a tolerance."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainwright.config.errors import ConfigError
from trainwright.domains.signals.models.events import mark_frames, match_events, pick_events


def test_marks_become_frames_and_frames_become_the_same_times() -> None:
    frames = mark_frames([0.5, 2.0, 3.98], 400, 100, width=0.05)
    assert frames.sum() == 5 + 5 + 5 or frames.sum() >= 13
    np.testing.assert_allclose(pick_events(frames.astype(float), 100), [0.5, 2.0, 3.98], atol=0.011)
    assert mark_frames([0.5], 100, 100).nonzero()[0].tolist() == [50]
    assert mark_frames([-3.0, 50.0], 100, 100, width=0.1).sum() == 0


def test_peaks_closer_than_the_distance_are_the_greatest_of_them() -> None:
    scores = np.zeros(100)
    scores[[10, 14, 60]] = [0.7, 0.9, 0.6]
    assert pick_events(scores, 10).tolist() == [1.0, 1.4, 6.0]
    assert pick_events(scores, 10, distance=0.5).tolist() == [1.4, 6.0]
    assert pick_events(scores, 10, threshold=0.65, distance=0.5).tolist() == [1.4]
    assert pick_events(np.array([0.9, 0.1, 0.1, 0.8]), 1).tolist() == [0.0, 3.0]
    assert pick_events(np.zeros(0), 10).tolist() == [] == pick_events(np.zeros(50), 10).tolist()
    with pytest.raises(ConfigError, match="rate must be above 0"):
        pick_events(scores, 0)


def test_shares_are_those_of_the_definition() -> None:
    found = match_events([1.0, 2.1, 5.0, 9.0], [1.05, 2.0, 7.0], 0.15)
    assert tuple(found) == (2, 1, 2)
    assert (found.sensitivity, found.precision, found.f1) == (2 / 3, 2 / 4, 4 / 7)
    nothing = match_events([], [], 0.1)
    assert np.isnan(nothing.f1) and np.isnan(nothing.sensitivity) and np.isnan(nothing.precision)


@given(st.lists(st.integers(0, 30), max_size=5), st.lists(st.integers(0, 30), max_size=5), st.integers(0, 6))
def test_as_many_pairs_are_found_as_any_matching_has(found: list[int], true: list[int], tolerance: int) -> None:
    few, many = sorted([found, true], key=len)
    best = max(
        (sum(abs(a - b) <= tolerance for a, b in zip(few, order, strict=True)) for order in itertools.permutations(many, len(few))),
        default=0,
    )
    assert match_events(found, true, tolerance).found == best

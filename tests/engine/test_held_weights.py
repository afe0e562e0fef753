"""The best weights are in memory for as long as no disk has them, and no longer."""

from __future__ import annotations

import torch

from trainwright.engine.saving.held_weights import HeldWeights


def weights(value: float) -> dict[str, torch.Tensor]:
    return {"w": torch.full((4,), value), "count": torch.tensor(int(value))}


def test_weights_are_copied_once_and_given_back() -> None:
    held, live = HeldWeights(), weights(1.0)
    assert not held.lacks(3)
    held.expect(3)
    assert held.lacks(3)
    assert held.get(3) is None
    held.copy(3, live)
    live["w"].zero_()
    found = held.get(3)
    assert found is not None
    assert found["w"].tolist() == [1.0] * 4
    assert not held.lacks(3)
    assert held.list_unsaved(besides=3) == {}
    assert list(held.list_unsaved(besides=4)) == [3]


def test_what_is_on_disk_or_no_longer_among_the_best_is_let_go() -> None:
    held = HeldWeights()
    for step in (1, 2, 3):
        held.expect(step)
        held.copy(step, weights(step))
    held.expect(4)
    held.keep_only([2, 3, 4], reuse=True)
    assert held.get(1) is None
    held.forget_written(4, {2: held.get(2) or {}})
    assert not held.lacks(4)
    assert list(held.list_unsaved(besides=0)) == [3]


def test_weights_found_again_while_older_ones_of_the_step_were_written_stay() -> None:
    held = HeldWeights()
    held.expect(1)
    held.copy(1, weights(1.0))
    written = dict(held.list_unsaved(besides=9))
    held.expect(1)
    held.copy(1, weights(2.0))
    held.forget_written(9, written)
    assert (held.get(1) or {})["w"].tolist() == [2.0] * 4


def test_memory_that_is_free_is_used_again_and_memory_that_is_written_from_is_not() -> None:
    held = HeldWeights()
    for reuse in (True, False):
        held.expect(1)
        held.copy(1, weights(1.0))
        before = held.get(1) or {}
        held.keep_only([], reuse=reuse)
        held.expect(2)
        held.copy(2, weights(2.0))
        after = held.get(2) or {}
        assert (after["w"].data_ptr() == before["w"].data_ptr()) is reuse
        assert before["w"].tolist() == ([2.0] * 4 if reuse else [1.0] * 4)
        held.keep_only([], reuse=False)

"""Names of before are known for one more release, and say the new one."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import trainwright as tw
from trainwright.engine.system import StepContext


def test_the_old_name_of_the_class_is_the_new_class_and_says_so() -> None:
    with pytest.warns(DeprecationWarning, match="StepContext"):
        assert tw.Moment is tw.StepContext


def test_the_old_name_is_found_where_it_was_too() -> None:
    with pytest.warns(DeprecationWarning, match="StepContext"):
        from trainwright.engine.system import Moment
    assert Moment is StepContext


def test_old_attributes_of_a_context_say_the_new_name() -> None:
    context = StepContext(3, 1, 0.25, torch.default_generator)
    with pytest.warns(DeprecationWarning, match="now called progress"):
        assert context.fraction == 0.25
    with pytest.raises(AttributeError, match="no attribute 'fractions'"):
        _ = context.fractions


def test_old_attributes_of_a_session_say_the_new_name(tmp_path: Path) -> None:
    seen = []

    class Reader(tw.Callback):
        def on_train_batch_end(self, session, system, batch, index) -> None:  # type: ignore[no-untyped-def]
            seen.append((session.tick, session.left_out, session.fraction))

    data = (torch.randn(8, 2), torch.randn(8, 1))
    with pytest.warns(DeprecationWarning, match="batches_seen"):
        tw.fit(torch.nn.Linear(2, 1), data, loss="mse", max_steps=2, callbacks=[Reader()], run_dir=tmp_path)
    assert [each[0] for each in seen] == [0, 1]

"""The position of a run: all of it is in a checkpoint, and those of before are read."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from engine_runs import Callback, StopAt, config, fit, system, weights
from torch import Tensor, nn

from trainwright.config.errors import Interrupted
from trainwright.engine.clock import Phase
from trainwright.engine.plan import make_plan
from trainwright.engine.position import Position
from trainwright.engine.recovery import NotFinite
from trainwright.engine.session import Session
from trainwright.engine.state import position_document, take_position

STORED = Path(__file__).parent / "run_of_before"
"""A run stopped at step 14, as it was written before the session had a position."""


def test_a_document_of_json_gives_the_position_back() -> None:
    plan = make_plan(config(), 43)
    moved = replace(
        Position(plan),
        step=11,
        batches_seen=13,
        skipped_batches={4, 9},
        skipped=2,
        rollbacks=1,
        last_rollback=(6, 1),
        boundary_pending=True,
        evaluated_at=10,
        last_row=(10, 1.5),
        batches_at_last_row=12,
        stopped_because="early_stopping",
    )
    again = Position(plan)
    take_position(again, json.loads(json.dumps(position_document(moved))))
    assert again == moved


def test_the_length_as_a_reason_to_stop_is_looked_at_anew() -> None:
    position = Position(make_plan(config(), 43), stopped_because="max_epochs")
    assert position_document(position)["stopped_because"] == ""


def test_the_oldest_documents_count_as_many_batches_as_steps() -> None:
    oldest = {"step": 5, "boundary_pending": False, "evaluated_at": 4, "last_row": [4, 0.25], "stopped_because": ""}
    position = Position(make_plan(config(), 43))
    take_position(position, oldest)
    assert (position.batches_seen, position.batches_at_last_row, position.skipped_batches) == (5, 4, set())


def test_a_run_of_before_goes_on_as_if_it_had_never_been_stopped(tmp_path: Path) -> None:
    shutil.copytree(STORED, tmp_path / "before")
    continued, result = fit(tmp_path / "before", resume=True, clip={"norm": 1.0})
    whole, unbroken = fit(tmp_path / "whole", clip={"norm": 1.0})
    assert result.steps == unbroken.steps == 24
    for name, tensor in weights(whole).items():  # another machine's kernels may round in another way
        torch.testing.assert_close(weights(continued)[name], tensor, rtol=1e-4, atol=1e-5)
    assert result.best_value == pytest.approx(unbroken.best_value, rel=1e-4)


def test_a_run_in_a_step_between_steps_and_at_a_boundary_says_so(tmp_path: Path) -> None:
    seen: dict[str, Phase] = {}

    class Looks(Callback):
        def on_train_epoch_start(self, session: Session, _system: Any) -> None:
            seen["epoch start"] = session.clock.phase

        def on_train_batch_end(self, session: Session, _system: Any, batch: Any, index: int) -> None:
            seen["batch end"] = session.clock.phase

        def on_validation_epoch_end(self, session: Session, _system: Any, metrics: dict[str, float]) -> None:
            seen["validation"] = session.clock.phase

        def on_log(self, session: Session, row: Any) -> None:
            seen["log"] = session.clock.phase

        def on_train_end(self, session: Session, _system: Any) -> None:
            seen["train end"] = session.clock.phase

        def on_fit_end(self, session: Session, _system: Any) -> None:
            seen["fit end"] = session.clock.phase

    fit(tmp_path, callbacks=[Looks()], max_epochs=2)
    assert seen == {
        "epoch start": Phase.BETWEEN_STEPS,
        "batch end": Phase.IN_STEP,
        "validation": Phase.EVALUATING,
        "log": Phase.AT_BOUNDARY,
        "train end": Phase.BETWEEN_STEPS,
        "fit end": Phase.OUTSIDE,
    }


def test_callbacks_hear_of_the_end_of_a_run_whose_loss_is_looked_into(tmp_path: Path) -> None:
    heard: list[str] = []

    class Hears(Callback):
        def on_exception(self, session: Session, _system: Any, error: BaseException) -> None:
            heard.append(type(error).__name__)

        def teardown(self, session: Session, _system: Any) -> None:
            heard.append("teardown")

    def becomes_infinite(output: Tensor, target: Tensor) -> Tensor:
        return nn.functional.cross_entropy(output, target) * float("inf")

    with pytest.raises(NotFinite):
        fit(tmp_path, trained=system(becomes_infinite), callbacks=[Hears()], recovery={"not_finite": "stop"})
    assert heard == ["NotFinite", "teardown"]


def test_a_stop_in_the_middle_of_an_epoch_is_where_the_position_says(tmp_path: Path) -> None:
    with pytest.raises(Interrupted):
        fit(tmp_path, callbacks=[StopAt(8)])
    document = json.loads(next(tmp_path.glob("checkpoints/step-*/trainer.json")).read_text())
    assert (document["step"], document["tick"], document["left_out"]) == (8, 8, [])


def test_a_session_is_four_things_and_the_page_lists_what_callbacks_read() -> None:
    page = (Path(__file__).parents[2] / "docs/callbacks.md").read_text(encoding="utf-8")
    rows = [line.split("|")[1] for line in page.splitlines() if line.startswith("| `session.")]
    listed = {name for row in rows for name in re.findall(r"`(?:session\.)?(\w+)", row)}
    assert [each.name for each in fields(Session)] == ["position", "parts", "logs", "clock"]
    readable = {name for name, value in vars(Session).items() if isinstance(value, property)}
    assert listed == readable | {"log", "stop", "gradients", "context"}


def test_what_callbacks_read_cannot_be_set_and_what_moved_says_where_it_is(tmp_path: Path) -> None:
    tried: list[str] = []

    class Tries(Callback):
        def on_fit_start(self, session: Session, _system: Any) -> None:
            with pytest.raises(AttributeError):
                session.step = 3  # type: ignore[misc]
            with pytest.raises(AttributeError, match=r"it is session\.parts\.saver"):
                _ = session.saver
            with pytest.raises(AttributeError, match=r"it is session\.logs\.running_loss"):
                _ = session.running_loss
            with pytest.raises(AttributeError, match="no attribute 'steps'"):
                _ = session.steps
            tried.append("all")

    fit(tmp_path, callbacks=[Tries()], max_epochs=1)
    assert tried == ["all"]

"""Runs that keep weights alone, or nothing: the same training, and what they cannot do is said."""

from __future__ import annotations

import logging
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from engine_runs import StopAt, config, rows, system
from pydantic import ValidationError

from trainwright.checkpoint.options import CheckpointConfig
from trainwright.checkpoint.pointers import target_of
from trainwright.checkpoint.store import CheckpointStore
from trainwright.config.errors import EXIT_FAILED, ConfigError, RunError, TrainwrightError
from trainwright.engine.callbacks import LambdaCallback
from trainwright.engine.config import TrainerConfig
from trainwright.engine.result import FitResult
from trainwright.engine.trainer import Trainer

KINDS = ["weights", "none"]
OFTEN = {"every": "5 steps", "min_interval": "0 s"}


def fit(folder: Path, checkpoint: Any, resume: bool = False, callbacks: Any = (), **options: Any) -> tuple[Any, FitResult]:
    trained = system()
    settings = config(checkpoint=checkpoint, evaluate_every="3 steps", **options)
    trainer = Trainer(settings, seed=3, device="cpu", callbacks=callbacks, console=False)
    return trained, trainer.fit(trained, rows(43), rows(20, seed=1), rows(20, seed=2), run=folder, resume=resume)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("averaging", [{}, {"ema": 0.5}, {"average_best": 2}])
def test_the_kept_weights_are_those_of_a_run_with_checkpoints(kind: str, averaging: dict[str, Any], tmp_path: Path) -> None:
    expected, whole = fit(tmp_path / "full", OFTEN, **averaging)
    found, result = fit(tmp_path / kind, kind, **averaging)
    assert result.metrics == whole.metrics
    assert (result.best_step, result.best_value) == (whole.best_step, whole.best_value)
    for name, tensor in expected.state_dict().items():
        assert torch.equal(found.state_dict()[name], tensor), name


def test_a_run_without_checkpoints_writes_none(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        fit(tmp_path, "none")
    assert not (tmp_path / "checkpoints").exists()
    assert not (tmp_path / "checkpoints.json").exists()
    assert caplog.text.count("trainer.checkpoint: none: this run cannot be continued") == 1


def test_a_run_of_weights_alone_keeps_the_best_the_newest_and_those_that_stay(tmp_path: Path) -> None:
    kind = {"type": "weights", **OFTEN, "keep_last": 1, "keep_every": "10 steps", "name": "at-{step}"}
    trained, result = fit(tmp_path, kind)
    store = CheckpointStore(tmp_path / "checkpoints")
    found = store.list_manifests()
    assert {each.kind for each in found} == {"weights"}
    assert {each.step for each in found} == {10, 20, result.steps, result.best_step}
    assert all(path.name in ("manifest.json", "system.safetensors") for each in found for path in (store.folder / each.folder).iterdir())
    assert target_of(store.folder / "last") == f"weights-{result.steps:08d}"
    assert target_of(store.folder / "best") == f"weights-{result.best_step:08d}"
    assert target_of(store.folder / "at-10") == "weights-00000010"
    best = store.at(result.best_step or 0)
    assert best is not None
    assert all(torch.equal(trained.state_dict()[name], each) for name, each in best.tensors("system.safetensors").items())
    assert store.latest() is None


def interrupted(step: int) -> LambdaCallback:
    def asks(session: Any, *_: Any) -> None:
        if session.step == step:
            session.parts.interrupts.request(signal.SIGTERM)

    return LambdaCallback(on_train_batch_end=asks)


@pytest.mark.parametrize(
    ("kind", "says", "fix"),
    [
        ("weights", "stopped at step 7; its weights are saved", "tw.load_weights(model, "),
        ("none", "stopped at step 7; nothing is saved", "begin it again"),
    ],
)
def test_a_signal_ends_such_a_run_with_what_is_there_and_its_going_on_is_refused(kind: str, says: str, fix: str, tmp_path: Path) -> None:
    with pytest.raises(TrainwrightError, match=says) as error:
        fit(tmp_path, kind, callbacks=[interrupted(7)])
    assert error.value.exit_code == EXIT_FAILED
    assert fix in error.value.fix
    assert sorted(path.name for path in tmp_path.glob("checkpoints/weights-*"))[-1:] == (["weights-00000007"] if kind == "weights" else [])
    before = (tmp_path / "metrics.csv").read_bytes()
    with pytest.raises(RunError, match="cannot be continued") as refused:
        fit(tmp_path, kind, resume=True)
    assert f"trainer.checkpoint: {kind}" in refused.value.why
    assert "begin" in refused.value.fix
    assert (tmp_path / "metrics.csv").read_bytes() == before


@pytest.mark.parametrize("kind", KINDS)
def test_going_on_where_nothing_was_begun_begins(kind: str, tmp_path: Path) -> None:
    _, result = fit(tmp_path, kind, resume=True)
    assert result.stopped_because == "max_epochs"


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_that_has_checkpoints_goes_on_from_them_as_one_that_keeps_fewer_and_they_stay(kind: str, tmp_path: Path) -> None:
    expected, _ = fit(tmp_path / "full", OFTEN)
    with pytest.raises(TrainwrightError):
        fit(tmp_path / "run", OFTEN, callbacks=[StopAt(13)])
    found, result = fit(tmp_path / "run", kind, resume=True)
    assert result.steps == 24
    assert all(torch.equal(found.state_dict()[name], each) for name, each in expected.state_dict().items())
    full = [each.step for each in CheckpointStore(tmp_path / "run/checkpoints").list_manifests() if each.kind == "full"]
    assert max(full) == 13


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("recovery", [{"not_finite": "rollback"}, {"loss_spike": {"policy": "rollback"}}])
def test_going_back_to_checkpoints_that_are_not_written_is_refused(kind: str, recovery: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="rollback needs checkpoints"):
        fit(tmp_path / "run", kind, recovery=recovery)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"type": "none", "every": "5 steps"}, "every plays no part"),
        ({"type": "none", "keep_best": 2}, "keep_best plays no part"),
        ({"type": "weights", "best_as_weights": True}, "best_as_weights plays no part"),
        ({"type": "weights", "weights_every": "5 steps"}, "weights_every plays no part"),
        ("nothing", "none"),
    ],
)
def test_options_that_play_no_part_are_refused(given: Any, says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        TrainerConfig.model_validate({"checkpoint": given})


def test_the_kind_alone_is_a_form_of_the_section() -> None:
    for kind in ("full", *KINDS):
        assert TrainerConfig.model_validate({"checkpoint": kind}).checkpoint == CheckpointConfig.model_validate({"type": kind})


def test_an_error_between_two_steps_leaves_the_weights_of_a_run_that_keeps_those(tmp_path: Path) -> None:
    def fails(session: Any, *_: Any) -> None:
        if session.step > 9:
            raise ValueError("a mistake of one's own")

    for kind, left in (("weights", ["weights-00000012"]), ("none", [])):
        with pytest.raises(ValueError, match="of one's own"):
            fit(tmp_path / kind, kind, callbacks=[LambdaCallback(on_train_epoch_start=fails)])
        assert sorted(path.name for path in (tmp_path / kind).glob("checkpoints/weights-*"))[-1:] == left

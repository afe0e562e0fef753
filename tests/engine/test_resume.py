"""A run that was stopped and continued ends as one that never stopped, to the bit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from engine_runs import StopAt, config, fit, rows, same, system, table, weights

from trainwright.config.errors import Interrupted, RunError
from trainwright.engine.callbacks import Callback
from trainwright.engine.trainer import Trainer

STEPS = 24
SETTINGS: dict[str, dict[str, Any]] = {
    "adamw": {},
    "early stopping": {"early_stopping": {"patience": 2}, "optimizer": {"type": "adamw", "learning_rate": 0.05}},
    "plateau": {"schedule": {"type": "plateau", "patience": 1, "factor": 0.5}, "optimizer": {"type": "adam", "learning_rate": 0.05}},
    "cosine sgd, clipped, micro-batches": {
        "schedule": {"type": "cosine", "warmup": "3 steps"},
        "optimizer": {"type": "sgd", "momentum": 0.9, "nesterov": True, "learning_rate": 0.1},
        "clip": {"norm": 0.5},
        "micro_batch_size": 3,
    },
    "evaluated every 5 steps, three best": {"evaluate_every": "5 steps", "checkpoint": {"keep_best": 3, "min_interval": "0 s"}},
    "several averages, the best of them kept": {
        "ema": {"decay": [0.9, 0.5], "choose": "best"},
        "swa": {"start": "0.5 run"},
        "average_best": 3,
    },
    "an average without warm-up, evaluated": {"ema": {"decay": 0.8, "warmup": False, "every": 2}, "checkpoint": {"min_interval": "0 s"}},
    "float16": {"precision": {"type": "fp16", "initial_scale": 64.0, "growth_interval": 4}},
    "bfloat16, nothing finite missed": {"precision": "bf16", "recovery": {"not_finite": "skip"}},
    "a batch that grows": {
        "batch_growth": {"times": 2, "patience": 1, "min_delta": 10.0, "scaling": "sqrt"},
        "optimizer": {"type": "adamw", "learning_rate": 0.05},
        "checkpoint": {"min_interval": "0 s"},
    },
    "lbfgs": {"optimizer": {"type": "lbfgs", "max_iter": 3, "history_size": 3}, "max_epochs": 2},
    "sam over sgd in micro-batches": {
        "optimizer": {"type": "sam", "inner": {"type": "sgd", "momentum": 0.9}},
        "micro_batch_size": 3,
        "max_epochs": 2,
    },
    "schedule-free": {"optimizer": {"type": "schedule_free_adamw", "learning_rate": 0.05}, "checkpoint": {"min_interval": "0 s"}},
    "lookahead over lion": {"optimizer": {"type": "lookahead", "inner": "lion", "every": 4}, "max_epochs": 2},
    "muon": {"optimizer": "muon", "max_epochs": 2},
    "rules for parameters": {
        "parameters": {
            "rules": [
                {"match": "model.0", "freeze": "1 epoch", "learning_rate_scale": 0.5},
                {"match": "*.bias", "schedule": {"type": "plateau", "patience": 1}, "freeze_from": "3 epochs"},
            ],
            "no_decay": True,
        },
        "gradient_hooks": [{"match": "model.0", "scale": 0.5, "log": True}],
        "clip": {"adaptive": 0.1, "value": 0.5},
    },
    "chained schedules": {
        "schedule": {"type": "chained", "parts": [{"schedule": "linear", "lasts": "5 steps"}, {"schedule": "cosine"}]},
        "max_epochs": 2,
    },
    "torch's schedule": {"schedule": {"type": "torch.optim.lr_scheduler.StepLR", "step_size": 3, "gamma": 0.5}, "max_epochs": 2},
    "torch's own": {"optimizer": {"type": "torch.optim.RMSprop", "lr": 0.01, "momentum": 0.5}},
}

EVERYWHERE = list(SETTINGS)[:6]
PLACES = (1, 4, 6, 7, 11, 16, 23)
"""Steps where the other settings are stopped: within windows, at ends of epochs and near the end."""


@pytest.mark.parametrize("name", SETTINGS)
def test_n_steps_are_k_steps_and_the_rest_for_every_k(name: str, tmp_path: Path) -> None:
    options = SETTINGS[name]
    whole, expected = fit(tmp_path / "whole", **options)
    everywhere = name in EVERYWHERE
    for k in range(1, expected.steps + 1):
        if not everywhere and k not in PLACES:
            continue
        folder = tmp_path / str(k)
        with pytest.raises(Interrupted):
            fit(folder, callbacks=[StopAt(k)], **options)
        continued, result = fit(folder, resume=True, **options)
        assert same(weights(whole), weights(continued)), f"weights after {k} steps and the rest"
        assert table(folder) == table(tmp_path / "whole"), f"metrics after {k} steps and the rest"
        assert (result.best_step, result.best_value, result.steps) == (expected.best_step, expected.best_value, expected.steps)
        assert result.stopped_because == expected.stopped_because
        assert result.metrics == expected.metrics


@pytest.mark.parametrize("k", [1, 5, 6, 11, 12, 17])
def test_a_run_of_k_steps_continued_to_n_has_the_weights_of_n_steps(k: int, tmp_path: Path) -> None:
    whole, _ = fit(tmp_path / "whole", max_epochs=None, max_steps=STEPS, validation_rows=0)
    fit(tmp_path / "run", max_epochs=None, max_steps=k, validation_rows=0)
    continued, result = fit(tmp_path / "run", max_epochs=None, max_steps=STEPS, validation_rows=0, resume=True)
    assert result.steps == STEPS
    assert same(weights(whole), weights(continued))


def test_a_signal_during_an_evaluation_leaves_it_to_be_done_first(tmp_path: Path) -> None:
    class During(Callback):
        def on_validation_start(self, session: Any, system: Any) -> None:
            if session.step == 12:
                session.parts.interrupts.request()

    whole, _ = fit(tmp_path / "whole")
    with pytest.raises(Interrupted):
        fit(tmp_path / "run", callbacks=[During()])
    assert [row["step"] for row in table(tmp_path / "run")][-1] == "9"
    continued, _ = fit(tmp_path / "run", resume=True)
    assert same(weights(whole), weights(continued))
    assert table(tmp_path / "run") == table(tmp_path / "whole")


def test_resuming_without_a_checkpoint_begins_and_resuming_a_finished_run_changes_nothing(tmp_path: Path) -> None:
    first, begun = fit(tmp_path, resume=True)
    before = table(tmp_path)
    again, finished = fit(tmp_path, resume=True)
    assert same(weights(first), weights(again))
    assert table(tmp_path) == before
    assert (finished.steps, finished.stopped_because, finished.best_step) == (begun.steps, begun.stopped_because, begun.best_step)


def test_the_model_given_to_a_continued_run_may_have_any_weights(tmp_path: Path) -> None:
    whole, _ = fit(tmp_path / "whole")
    with pytest.raises(Interrupted):
        fit(tmp_path / "run", callbacks=[StopAt(10)])
    other = system()
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.fill_(9)
    continued, _ = fit(tmp_path / "run", trained=other, resume=True)
    assert same(weights(whole), weights(continued))


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"batch_size": 4}, "batch_size was 8 and is 4 now"),
        ({"train_rows": 44}, "rows was 43"),
        ({"seed": 4}, "seed was 3"),
        ({"optimizer": "sgd"}, "optimizer was adamw"),
    ],
)
def test_what_would_change_the_past_is_refused_by_name(change: dict[str, Any], named: str, tmp_path: Path) -> None:
    with pytest.raises(Interrupted):
        fit(tmp_path, callbacks=[StopAt(5)])
    with pytest.raises(RunError) as error:
        fit(tmp_path, resume=True, **change)
    assert named in str(error.value)


def test_another_model_is_refused_by_the_names_that_do_not_fit(tmp_path: Path) -> None:
    with pytest.raises(Interrupted):
        fit(tmp_path, callbacks=[StopAt(5)])
    with pytest.raises(RunError, match=r"model.0.weight has shape \(8, 5\) there and \(16, 5\) here"):
        fit(tmp_path, trained=system(width=16), resume=True)


def test_checkpoints_are_not_overwritten_by_a_run_that_does_not_continue_them(tmp_path: Path) -> None:
    fit(tmp_path)
    with pytest.raises(RunError, match="already"):
        fit(tmp_path)


def test_a_damaged_checkpoint_is_set_aside_and_the_one_before_is_used(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    often = {"checkpoint": {"every": "5 steps"}}
    whole, _ = fit(tmp_path / "whole", **often)
    with pytest.raises(Interrupted):
        fit(tmp_path / "run", callbacks=[StopAt(17)], **often)
    file = tmp_path / "run/checkpoints/step-00000017/optimizer.safetensors"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    continued, _ = fit(tmp_path / "run", resume=True, **often)
    assert (tmp_path / "run/checkpoints/step-00000017.damaged").is_dir()
    assert "step-00000017 is damaged (optimizer.safetensors does not match its sha256)" in caplog.text
    assert "continuing from the one before: step 15" in caplog.text
    assert same(weights(whole), weights(continued))
    assert table(tmp_path / "run") == table(tmp_path / "whole")


def test_when_every_checkpoint_is_damaged_the_run_is_not_begun_afresh(tmp_path: Path) -> None:
    with pytest.raises(Interrupted):
        fit(tmp_path, callbacks=[StopAt(5)])
    for file in tmp_path.glob("checkpoints/*/system.safetensors"):
        file.write_bytes(b"")
    with pytest.raises(RunError, match="no checkpoint of this run can be used"):
        fit(tmp_path, resume=True)


def test_the_state_of_callbacks_comes_back(tmp_path: Path) -> None:
    class Counts(Callback):
        steps = 0

        def on_train_batch_end(self, session: Any, system: Any, batch: Any, index: int) -> None:
            self.steps += 1

        def state_dict(self) -> dict[str, Any]:
            return {"steps": self.steps}

        def load_state_dict(self, state: Any) -> None:
            self.steps = state["steps"]

    first, second = Counts(), Counts()
    with pytest.raises(Interrupted):
        fit(tmp_path, callbacks=[Counts(), Counts(), StopAt(9)])
    fit(tmp_path, resume=True, callbacks=[first, second])
    assert (first.steps, second.steps) == (24, 24)
    saved = json.loads((tmp_path / "checkpoints/step-00000024/trainer.json").read_text())
    assert set(saved["callbacks"]) == {"Counts", "Counts#2"}


def test_batch_norm_statistics_come_back(tmp_path: Path) -> None:
    whole, _ = fit(tmp_path / "whole", trained=system(norm=True))
    with pytest.raises(Interrupted):
        fit(tmp_path / "run", trained=system(norm=True), callbacks=[StopAt(7)])
    continued, _ = fit(tmp_path / "run", trained=system(norm=True), resume=True)
    assert same(weights(whole), weights(continued))


def test_where_the_disk_refuses_training_goes_on_and_the_last_good_checkpoint_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class Full(Callback):
        def on_train_batch_end(self, session: Any, system: Any, batch: Any, index: int) -> None:
            if session.step == 11:
                monkeypatch.setattr("trainwright.checkpoint.writer.os.fsync", _refuse)

    _, result = fit(tmp_path, callbacks=[Full()], checkpoint={"every": "5 steps"})
    assert result.steps == STEPS
    assert "no checkpoint at step 15: No space left on device; the ones before are untouched" in caplog.text
    assert sorted(path.name for path in (tmp_path / "checkpoints").glob("step-*")) == ["step-00000005", "step-00000010"]


def _refuse(descriptor: int) -> None:
    raise OSError(28, "No space left on device")


def test_a_place_that_cannot_be_written_is_refused_before_the_first_step(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("a file")
    trainer = Trainer(config(), console=False)
    with pytest.raises(RunError, match="cannot be written"):
        trainer.fit(system(), rows(43), run=tmp_path / "run")

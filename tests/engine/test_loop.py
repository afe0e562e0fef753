"""What happens when, from the first hook to the last."""

from __future__ import annotations

import io
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from engine_runs import config, fit, rows, same, system, table, weights

from trainwright.engine.callbacks import Callback
from trainwright.engine.callbacks.base import HOOKS
from trainwright.engine.progress_text import in_words
from trainwright.engine.trainer import Trainer


def recorder(seen: list[str], skipped: tuple[str, ...] = ()) -> Callback:
    """A callback that writes down every hook."""

    def hook(name: str) -> Any:
        return lambda self, *arguments: seen.append(name)

    names = [name for name in HOOKS if name not in skipped]
    return type("Recorder", (Callback,), {name: hook(name) for name in names})()


STEP = [
    "on_train_batch_start",
    "on_before_backward",
    "on_after_backward",
    "on_before_optimizer_step",
    "on_before_zero_grad",
    "on_train_batch_end",
]


def test_hooks_come_in_the_documented_order(tmp_path: Path) -> None:
    seen: list[str] = []
    trainer = Trainer(config(max_epochs=2, log_every="1 epoch"), device="cpu", callbacks=[recorder(seen)], console=False)
    trainer.fit(system(), rows(10), rows(5), rows(5), run=tmp_path)
    split = ["epoch_start", "batch_start", "batch_end", "epoch_end"]
    validation, test = ([f"on_{name}_{each}" for each in split] for name in ("validation", "test"))
    evaluation = ["on_validation_start", *validation, "on_validation_end", "should_early_stop", "on_log", "on_train_epoch_end"]
    first = ["setup", "on_fit_start", "on_sanity_check_start", *validation[:3], "on_sanity_check_end", "on_train_start"]
    epoch = ["on_train_epoch_start", *STEP, *STEP, *evaluation]
    last = ["on_save_checkpoint", "on_train_end", "on_test_start", *test, "on_test_end", "on_fit_end", "teardown"]
    assert seen == [*first, *epoch, *epoch, *last]


def test_micro_batches_go_backwards_one_by_one_within_a_step(tmp_path: Path) -> None:
    seen: list[str] = []
    fit(tmp_path, callbacks=[recorder(seen)], train_rows=8, micro_batch_size=3, max_epochs=1)
    begun = seen.index("on_train_batch_start")
    assert seen[begun : begun + 10] == [STEP[0], *STEP[1:3] * 3, *STEP[3:]]


def test_a_callback_can_stop_the_run_from_any_hook_and_it_ends_evaluated_and_saved(tmp_path: Path) -> None:
    class Stops(Callback):
        def on_after_backward(self, session: Any, system: Any) -> None:
            if session.step == 7:
                session.stop("enough")

    _, result = fit(tmp_path, callbacks=[Stops()])
    assert (result.steps, result.stopped_because) == (8, "enough")
    assert result.history[-1]["step"] == 8
    assert "validation/loss" in result.history[-1]
    assert (tmp_path / "checkpoints/step-00000008").is_dir()


def test_the_best_weights_are_in_the_system_at_the_end(tmp_path: Path) -> None:
    kept: dict[int, Any] = {}

    class Keeps(Callback):
        def on_validation_end(self, session: Any, system: Any, metrics: Any) -> None:
            kept[session.step] = (metrics["loss"], weights(system))

    trained, result = fit(tmp_path, callbacks=[Keeps()], max_epochs=12, optimizer={"type": "adamw", "learning_rate": 0.1})
    best = min(kept, key=lambda step: kept[step][0])
    assert (result.best_step, result.best_value) == (best, kept[best][0])
    assert best != result.steps
    assert same(weights(trained), kept[best][1])
    assert result.metrics["validation"]["loss"] == kept[best][0]


def test_early_stopping_counts_evaluations_without_improvement(tmp_path: Path) -> None:
    trained: Any = system()
    values = iter([7.0, 1.0, 0.9, 0.95, math.nan, 0.9, 0.5, 0.4])  # 7.0 is given to the look before the first step
    trained.metrics = lambda outputs: {"loss": next(values) if len(outputs["output"]) == 20 else 0.0, "accuracy": 0.0}
    _, result = fit(tmp_path, trained=trained, max_epochs=50, early_stopping={"patience": 3})
    assert (result.stopped_because, result.best_value, result.steps) == ("early_stopping", 0.9, 5 * 6)


def test_a_metric_that_is_nan_is_never_best_which_is_said_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    trained: Any = system()
    trained.metrics = lambda outputs: {"loss": math.nan, "accuracy": math.nan}
    _, result = fit(tmp_path, trained=trained, max_epochs=2)
    assert result.best_step is None
    assert result.steps == 12
    assert caplog.text.count("loss is not a number at step 6: such an evaluation is never the best") == 1


def test_metrics_are_logged_where_the_cadences_say_and_the_end_is_always_evaluated(tmp_path: Path) -> None:
    fit(tmp_path, max_epochs=None, max_steps=11, log_every="4 steps", evaluate_every="6 steps")
    logged = table(tmp_path)
    assert [row["step"] for row in logged] == ["4", "6", "8", "11"]
    assert [("validation/loss" in row) for row in logged] == [False, True, False, True]
    assert all({"train/loss", "learning_rate", "gradient_norm"} <= row.keys() for row in logged)


def test_training_metrics_are_over_the_rows_seen_since_the_last_evaluation(tmp_path: Path) -> None:
    seen: list[int] = []
    trained: Any = system()
    trained.metrics = lambda outputs: seen.append(len(outputs["output"])) or {"loss": 0.0, "accuracy": 0.0}
    fit(tmp_path, trained=trained, train_rows=40, validation_rows=0, max_epochs=3, evaluate_every="2 epochs")
    assert seen == [80, 40]  # epochs 1 and 2, then 3


def test_without_a_validation_split_the_last_weights_stay(tmp_path: Path) -> None:
    _, result = fit(tmp_path, validation_rows=0)
    assert result.best_step is None
    assert result.best is None
    assert set(result.metrics) == {"train"}


def test_max_time_ends_the_run_at_a_step_boundary(tmp_path: Path) -> None:
    _, result = fit(tmp_path, max_epochs=None, max_time="0.3 s", validation_rows=0)
    assert result.stopped_because == "max_time"
    assert result.timing["train_seconds"] < 5


def test_the_result_states_what_was_realised(tmp_path: Path) -> None:
    _, result = fit(tmp_path, max_epochs=None, max_steps=9)
    assert result.realised["batch_size"] == 8
    assert result.realised["epochs"] == pytest.approx((43 + 3 * 8) / 43)
    assert result.realised["parameters"] == 5 * 8 + 8 + 8 * 2 + 2
    assert {"startup_seconds", "train_seconds", "evaluate_seconds", "checkpoint_seconds", "samples_per_second", "steps"} <= set(
        result.timing
    )


def test_submodules_that_were_frozen_in_evaluation_mode_stay_so(tmp_path: Path) -> None:
    trained = system(norm=True)
    trained.model[1].eval()
    before = trained.model[1].running_mean.clone()  # type: ignore[union-attr, operator]
    fit(tmp_path, trained=trained)
    assert torch.equal(trained.model[1].running_mean, before)  # type: ignore[arg-type]
    assert trained.model[0].training


def test_one_of_a_thing_is_said_as_one() -> None:
    assert [in_words(1, "step"), in_words(2000, "step"), in_words(1.0, "epoch"), in_words(0.5, "epoch")] == [
        "1 step",
        "2,000 steps",
        "1 epoch",
        "0.5 epochs",
    ]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("stream", [io.StringIO(), Terminal()], ids=["pipe", "terminal"])
def test_progress_says_what_will_be_what_is_and_how_it_ended(stream: io.StringIO, tmp_path: Path) -> None:
    Trainer(config(), device="cpu", console=stream).fit(system(), rows(43), rows(20), run=tmp_path)
    lines = stream.getvalue().replace("\r\x1b[K", "\n").splitlines()
    assert lines[0] == "43 rows, 8 per step, 6 steps per epoch, at most 24 steps (4 epochs), on cpu"
    assert lines[-1].startswith("stopped at step 24 (max epochs); best loss 0.")
    assert sum(line.endswith(" *") for line in lines) >= 1
    if not stream.isatty():
        assert "\x1b" not in stream.getvalue()
        assert lines[2].split() == ["step", "epoch", "train", "loss", "validation", "loss", "accuracy", "best", "so", "far"]
        assert len(lines) == 3 + 4 + 1


def test_a_reader_of_the_progress_that_goes_away_does_not_end_the_run(tmp_path: Path) -> None:
    class Gone(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    trainer = Trainer(config(), device="cpu", console=Gone())
    assert trainer.fit(system(), rows(43), rows(20), run=tmp_path).steps == 24

"""Hooks come in Lightning's order, any of them may stop or fail, and callbacks come before the system."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from engine_runs import StopAt, config, fit, rows, system, weights

from trainwright.checkpoint.store import CheckpointStore
from trainwright.config.errors import Interrupted
from trainwright.engine.callbacks import Callback, LambdaCallback
from trainwright.engine.callbacks.base import HOOKS
from trainwright.engine.trainer import Trainer

STAGES = {"fit": [], "validate": [], "test": [], "predict": []}
ELSEWHERE = {"on_load_checkpoint", "on_exception"}
"""Called only by a run that continues or fails."""
IN_FIT = [name for name in HOOKS if "predict" not in name and name not in ELSEWHERE]

LIGHTNING = [
    "setup",
    "on_fit_start",
    "on_sanity_check_start",
    "on_sanity_check_end",
    "on_train_start",
    "on_train_epoch_start",
    "on_train_batch_start",
    "on_before_backward",
    "on_after_backward",
    "on_before_optimizer_step",
    "on_train_batch_end",
    "on_validation_start",
    "on_validation_epoch_start",
    "on_validation_batch_start",
    "on_validation_batch_end",
    "on_validation_epoch_end",
    "on_validation_end",
    "on_train_epoch_end",
    "on_train_end",
    "on_fit_end",
    "teardown",
]
"""The order of Lightning 2.6's hooks in one epoch of one step; `on_before_zero_grad` is elsewhere there."""


def noting(trace: list[str], names: list[str] | tuple[str, ...] = HOOKS) -> Callback:
    def note(name: str) -> Callable[..., None]:
        return lambda *given: trace.append(name)

    return LambdaCallback(**{name: note(name) for name in names})


def at(hook: str, act: Callable[[Any], Any]) -> Callback:
    """Does something the first time that a hook is called."""
    done: list[bool] = []

    def once(session: Any, *given: Any) -> Any:
        if not done:
            done.append(True)
            return act(session)
        return None

    return LambdaCallback(**{hook: once})


def one_step(folder: Path, callbacks: list[Callback], **options: Any) -> Any:
    trainer = Trainer(config(max_epochs=1, batch_size=8, **options), seed=3, device="cpu", callbacks=callbacks, console=False)
    return trainer.fit(system(), rows(8), rows(8, seed=1), rows(8, seed=2), run=folder)


def test_a_fit_calls_the_hooks_in_the_order_of_lightning(tmp_path: Path) -> None:
    trace: list[str] = []
    one_step(tmp_path, [noting(trace, tuple(LIGHTNING))])
    begun = trace.index("on_train_start")
    sanity = ["on_validation_epoch_start", "on_validation_batch_start", "on_validation_batch_end"]
    assert [name for name in trace[:begun] if name not in sanity] + trace[begun:] == LIGHTNING


def test_zero_grad_comes_after_the_update_and_its_hook_between(tmp_path: Path) -> None:
    seen: dict[str, Any] = {}

    class Sees(Callback):
        def on_before_optimizer_step(self, session: Any, system: Any) -> None:
            seen["before"], seen["gradients"] = weights(system), len(session.gradients())

        def on_before_zero_grad(self, session: Any, system: Any) -> None:
            seen["after"], seen["still"] = weights(system), len(session.gradients())

        def on_train_batch_end(self, session: Any, system: Any, batch: Any, index: int) -> None:
            seen["left"] = len(session.gradients())

    one_step(tmp_path, [Sees()])
    assert any((seen["before"][name] != seen["after"][name]).any() for name in seen["before"])
    assert seen["gradients"] == seen["still"] > 0 == seen["left"]


def test_a_checkpoint_is_loaded_after_setup_and_before_on_fit_start(tmp_path: Path) -> None:
    trace: list[str] = []
    with pytest.raises(Interrupted):
        fit(tmp_path, callbacks=[StopAt(3)])
    fit(tmp_path, callbacks=[noting(trace)], resume=True)
    assert trace[:4] == ["setup", "on_load_checkpoint", "on_fit_start", "on_train_start"]


@pytest.mark.parametrize(("method", "words"), [("validate", "validation"), ("test", "test"), ("predict", "predict")])
def test_other_stages_call_their_own_hooks_between_setup_and_teardown(method: str, words: str) -> None:
    trace: list[str] = []
    stages: list[str] = []
    trained = system()
    trained.predict_step = lambda batch: {"output": trained.output_of(batch)}
    seeing = at("setup", lambda session: stages.append(session.stage))
    trainer = Trainer(config(evaluation_batch_size=4), device="cpu", callbacks=[noting(trace), seeing], console=False)
    getattr(trainer, method)(trained, rows(8))
    batch = [f"on_{words}_batch_start", f"on_{words}_batch_end"]
    around = [f"on_{words}_start", f"on_{words}_epoch_start", *batch, *batch, f"on_{words}_epoch_end", f"on_{words}_end"]
    assert trace == ["setup", *around, "teardown"]
    assert stages == [method]


@pytest.mark.parametrize("hook", [name for name in IN_FIT if name not in ("on_fit_end", "teardown")])
def test_a_run_stopped_from_any_hook_ends_evaluated_and_saved(hook: str, tmp_path: Path) -> None:
    trace: list[str] = []
    stopping = at(hook, lambda session: session.stop("enough"))
    _, result = fit_with_test(tmp_path, [stopping, noting(trace)], checkpoint={"every": "5 steps"})
    late = hook == "on_train_end" or hook.startswith("on_test_")
    assert result.stopped_because == ("max_epochs" if late else "enough")
    assert result.steps < 24 or late
    assert {"validation", "test"} <= result.metrics.keys()
    assert trace[-2:] == ["on_fit_end", "teardown"]
    assert [row["step"] for row in result.history if "validation/loss" in row][-1] == result.steps
    assert max(each.step for each in CheckpointStore(tmp_path / "checkpoints").list_manifests()) == result.steps


def fit_with_test(folder: Path, callbacks: list[Callback], **options: Any) -> Any:
    trained = system()
    trainer = Trainer(config(**options), seed=3, device="cpu", callbacks=callbacks, console=False)
    return trained, trainer.fit(trained, rows(43), rows(20, seed=1), rows(20, seed=2), run=folder)


def test_a_stop_while_the_last_row_of_an_epoch_is_logged_ends_that_epoch_once(tmp_path: Path) -> None:
    trace: list[str] = []
    stopping = at("on_log", lambda session: session.stop("enough"))
    options = {"evaluate_every": "50 steps", "log_every": "6 steps"}
    _, result = fit_with_test(tmp_path, [stopping, noting(trace)], **options)
    assert result.steps == 6
    assert trace.count("on_train_epoch_end") == 1
    assert trace.count("on_validation_end") == 1


class Mistake(Exception):
    pass


def fail(session: Any) -> None:
    raise Mistake


@pytest.mark.parametrize("hook", [name for name in IN_FIT if name != "teardown"])
def test_an_error_in_any_hook_is_told_and_everything_is_taken_down(hook: str, tmp_path: Path) -> None:
    trace: list[str] = []
    errors: list[BaseException] = []
    telling = LambdaCallback(on_exception=lambda session, system, error: errors.append(error))
    with pytest.raises(Mistake):
        fit_with_test(tmp_path, [noting(trace), telling, at(hook, fail)])
    assert trace[-2:] == ["on_exception", "teardown"]
    assert [type(error) for error in errors] == [Mistake]


def test_an_error_while_loading_a_checkpoint_is_told_too(tmp_path: Path) -> None:
    trace: list[str] = []
    with pytest.raises(Interrupted):
        fit(tmp_path, callbacks=[StopAt(3)])
    with pytest.raises(Mistake):
        fit(tmp_path, resume=True, callbacks=[noting(trace), at("on_load_checkpoint", fail)])
    assert trace == ["setup", "on_load_checkpoint", "on_exception", "teardown"]


def test_a_signal_is_told_once_the_run_is_saved(tmp_path: Path) -> None:
    trace: list[str] = []
    with pytest.raises(Interrupted):
        fit(tmp_path, callbacks=[noting(trace), StopAt(3)])
    assert trace[-3:] == ["on_save_checkpoint", "on_exception", "teardown"]


def test_minus_one_leaves_out_the_rest_of_the_epoch(tmp_path: Path) -> None:
    made: list[tuple[int, int]] = []

    class Leaves(Callback):
        def on_train_batch_start(self, session: Any, system: Any, batch: Any, index: int) -> int | None:
            return -1 if session.epoch == 1 and index == 2 else None

        def on_train_batch_end(self, session: Any, system: Any, batch: Any, index: int) -> None:
            made.append((session.epoch, index))

    _, result = fit(tmp_path, callbacks=[Leaves()], recovery={"limit": 100})
    whole = [(epoch, index) for epoch in range(4) for index in range(6)]
    assert made == [place for place in whole if place[0] != 1 or place[1] < 2]
    assert result.steps == 20


def test_a_systems_own_hooks_are_called_after_those_of_the_callbacks(tmp_path: Path) -> None:
    trace: list[tuple[str, str]] = []
    trained = system()

    def own(name: str) -> Callable[..., None]:
        return lambda self, session, *given: trace.append(("system", name))

    trained.__class__ = type("Own", (type(trained),), {name: own(name) for name in IN_FIT})
    callbacks = LambdaCallback(**{name: (lambda *given, name=name: trace.append(("callback", name))) for name in IN_FIT})
    trainer = Trainer(config(max_epochs=1), seed=3, device="cpu", callbacks=[callbacks], console=False)
    trainer.fit(trained, rows(43), rows(20, seed=1), rows(20, seed=2), run=tmp_path)
    assert {name for _, name in trace} == set(IN_FIT)
    assert trace == [(whose, name) for _, name in trace[::2] for whose in ("callback", "system")]


def test_a_system_gets_what_a_callback_gets_without_itself(tmp_path: Path) -> None:
    got: list[tuple[Any, ...]] = []
    trained = system()

    class Own(type(trained)):  # type: ignore[misc]
        def on_train_batch_end(self, session: Any, batch: Any, index: int) -> None:
            got.append((self, session.step, len(batch["input"]), index))

    trained.__class__ = Own
    fit(tmp_path, trained=trained, max_epochs=1)
    assert got == [(trained, index + 1, 8 if index < 5 else 3, index) for index in range(6)]

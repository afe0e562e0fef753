"""Saving while training goes on, and when an error ends the run: what is continued is the same to the bit."""

from __future__ import annotations

import errno
import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from fault_runs import OPTIONS, perceptron, plain_rows, train

from trainwright.checkpoint.manifest import verify
from trainwright.checkpoint.pointers import target_of
from trainwright.checkpoint.store import CheckpointStore
from trainwright.data.rows import TensorRows
from trainwright.engine.callbacks import LambdaCallback
from trainwright.engine.clock import Phase
from trainwright.engine.config import TrainerConfig
from trainwright.engine.saving import writing
from trainwright.engine.saving.saver import Saver
from trainwright.engine.trainer import Trainer
from trainwright.tracking.csv import read_rows

OFTEN = {"every": "5 steps", "min_interval": "0 s", "keep_best": 2}


def outcome(folder: Path) -> tuple[bytes, Any]:
    rows = [{name: value for name, value in row.items() if name not in ("seconds", "samples_per_second")} for row in table(folder)]
    return (folder / "final.safetensors").read_bytes(), rows


def table(folder: Path) -> list[dict[str, float]]:
    return read_rows(folder / "metrics.csv")


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every state is treated as a large one."""
    monkeypatch.setattr(writing, "SMALL", 0)


class Failing(TensorRows):
    """Rows whose n-th batch cannot be read."""

    left = -1

    def take(self, rows: torch.Tensor) -> dict[str, torch.Tensor]:
        self.left -= 1
        if self.left == 0:
            raise OSError(errno.EIO, "the data cannot be read")
        return super().take(rows)


def failing(first: int) -> Any:
    def rows(count: int, seed: int) -> TensorRows:
        made = Failing(plain_rows(count, seed).blocks)
        made.left = first if seed == 0 else -1
        return made

    return rows


def test_an_error_between_two_steps_saves_first(tmp_path: Path) -> None:
    train(tmp_path / "whole", perceptron(True, 0.2), plain_rows)
    with pytest.raises(OSError, match="cannot be read"):
        train(tmp_path / "run", perceptron(True, 0.2), failing(34))
    assert target_of(tmp_path / "run/checkpoints/last") == "step-00000033"
    train(tmp_path / "run", perceptron(True, 0.2), plain_rows)
    assert outcome(tmp_path / "run") == outcome(tmp_path / "whole")
    with pytest.raises(OSError, match="cannot be read"):
        train(tmp_path / "off", perceptron(True, 0.2), failing(34), checkpoint=OFTEN | {"on_exception": False})
    assert target_of(tmp_path / "off/checkpoints/last") == "step-00000030"


@pytest.mark.parametrize(("method", "saved"), [("evaluation_step", 27), ("training_step", 36)])
def test_an_error_in_an_evaluation_saves_first_and_one_within_a_step_does_not(
    method: str, saved: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train(tmp_path / "whole", perceptron(True, 0.2), plain_rows)
    system = perceptron(True, 0.2)
    original, left = getattr(system, method), 4 if method == "evaluation_step" else 37

    def fails(*arguments: Any) -> Any:
        nonlocal left
        left -= 1
        if left == 0:
            raise ValueError("a mistake of one's own")
        return original(*arguments)

    object.__setattr__(system, method, fails)
    with pytest.raises(ValueError, match="of one's own"):
        train(tmp_path / "run", system, plain_rows)
    assert target_of(tmp_path / "run/checkpoints/last") == f"step-{saved:08d}"
    train(tmp_path / "run", perceptron(True, 0.2), plain_rows)
    assert outcome(tmp_path / "run") == outcome(tmp_path / "whole")


@pytest.mark.usefixtures("large")
def test_a_save_due_while_one_is_written_comes_after_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    train(tmp_path / "whole", perceptron(True, 0.2), plain_rows)
    sync, main, seen = os.fsync, threading.main_thread(), []

    def slow(descriptor: int) -> None:
        if threading.current_thread() is not main:
            time.sleep(0.01)
        sync(descriptor)

    close = Saver.close

    def closing(self: Saver) -> None:
        close(self)
        seen.append(self)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", slow)
        patch.setattr(Saver, "close", closing)
        train(tmp_path / "run", perceptron(True, 0.2), plain_rows)
    assert outcome(tmp_path / "run") == outcome(tmp_path / "whole")
    assert seen[0].policy.postponed > 0
    assert seen[0].writer.written_seconds > 0
    for path in (tmp_path / "run/checkpoints").glob("step-*"):
        verify(path)


@pytest.mark.usefixtures("large")
def test_best_weights_that_the_disk_refused_in_the_background_stay_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    train(tmp_path / "whole", perceptron(True, 0.2), plain_rows)

    def refuse(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr("trainwright.checkpoint.writer.os.fsync", refuse)
        train(tmp_path / "run", perceptron(True, 0.2), plain_rows, trackers=[])
    assert (tmp_path / "run/final.safetensors").read_bytes() == (tmp_path / "whole/final.safetensors").read_bytes()
    assert "no checkpoint at step 5: No space left on device" in caplog.text
    assert not list((tmp_path / "run/checkpoints").glob("step-*"))


@pytest.mark.usefixtures("large")
def test_weights_changed_outside_the_optimizer_are_never_saved_half_changed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def clamping() -> Any:
        system = perceptron(True, 0.2)
        original = system.training_step

        def clamps(*arguments: Any) -> Any:
            with torch.no_grad():
                for parameter in system.parameters():
                    parameter.clamp_(-0.3, 0.3)
            return original(*arguments)

        object.__setattr__(system, "training_step", clamps)
        return system

    train(tmp_path / "whole", clamping(), plain_rows)
    with pytest.raises(OSError, match="cannot be read"):
        train(tmp_path / "run", clamping(), failing(44))
    for path in (tmp_path / "run/checkpoints").glob("step-*"):
        verify(path)
    train(tmp_path / "run", clamping(), plain_rows)
    assert table(tmp_path / "run")[-1]["step"] == table(tmp_path / "whole")[-1]["step"]
    newest = [CheckpointStore(tmp_path / name / "checkpoints").latest() for name in ("run", "whole")]
    first, second = (each.tensors("system.safetensors") for each in newest if each is not None)
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_every_policy_keeps_what_it_promises(tmp_path: Path) -> None:
    policies = {"keep_every": "20 steps", "weights_every": "2 epochs", "name": "e{epoch}-s{step}-{validation/loss:.2f}", "keep_last": 1}
    train(tmp_path, perceptron(True, 0.2), plain_rows, checkpoint=OFTEN | policies | {"best_as_weights": True})
    store = CheckpointStore(tmp_path / "checkpoints")
    full = {each.step for each in store.list_manifests() if each.kind == "full"}
    weights = {each.step for each in store.list_manifests() if each.kind == "weights"}
    last = 8 * 13
    assert full == {20, 40, 60, 80, 100, last}
    assert {26, 52, 78, 104} <= weights
    newest = store.latest()
    assert newest is not None
    assert all(store.at(step) is not None for step in newest.manifest.best)
    links = {path.name: target_of(path) for path in store.folder.iterdir() if path.is_symlink()}
    assert links["last"] == f"step-{last:08d}"
    assert links["best"] in {f"step-{newest.manifest.best[0]:08d}", f"weights-{newest.manifest.best[0]:08d}"}
    assert [name for name in links if name.startswith(("e8-s104-0.", "e8-s104-1."))]
    assert len(OPTIONS["checkpoint"]) == len(OFTEN)


@pytest.mark.parametrize(
    ("hook", "phase"),
    [
        ("on_train_epoch_start", Phase.BETWEEN_STEPS),
        ("on_train_batch_start", Phase.IN_STEP),
        ("on_after_backward", Phase.IN_STEP),
        ("on_before_optimizer_step", Phase.IN_STEP),
        ("on_train_batch_end", Phase.IN_STEP),
        ("on_log", Phase.AT_BOUNDARY),
        ("on_validation_batch_end", Phase.EVALUATING),
        ("on_validation_end", Phase.AT_BOUNDARY),
        ("on_train_epoch_end", Phase.AT_BOUNDARY),
    ],
)
def test_an_error_saves_in_the_phases_whose_state_is_that_of_one_step(hook: str, phase: Phase, tmp_path: Path) -> None:
    seen: list[Phase] = []

    def fails(session: Any, *_: Any) -> None:
        if session.step > 30:
            seen.append(session.clock.phase)
            raise ValueError("a mistake of one's own")

    config = TrainerConfig.model_validate(OPTIONS | {"checkpoint": {"every": "1000 steps", "min_interval": "1 h"}})
    trainer = Trainer(config, seed=5, device="cpu", console=False, callbacks=[LambdaCallback(**{hook: fails})])
    with pytest.raises(ValueError, match="of one's own"):
        trainer.fit(perceptron(True, 0.2), plain_rows(200, 0), plain_rows(60, 1), run=tmp_path)
    assert seen == [phase]
    assert bool(list((tmp_path / "checkpoints").glob("step-*"))) is phase.is_of_one_step

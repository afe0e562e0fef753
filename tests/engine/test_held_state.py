"""Tensors that a model changes beside its state_dict are in checkpoints, and a continued run is the unbroken one; the rest is said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import trainwright as tw
from trainwright.config.errors import Interrupted
from trainwright.engine.callbacks import Callback

ROWS = torch.randn(32, 4, generator=torch.Generator().manual_seed(0)), torch.randn(32, 1, generator=torch.Generator().manual_seed(1))


class Remembering(nn.Module):
    """What it gives depends on all batches before: by a non-persistent buffer, a plain tensor, a buffer that is not there at first."""

    def __init__(self) -> None:
        super().__init__()
        self.linear, self.mean = nn.Linear(4, 1), torch.zeros(4)
        self.register_buffer("seen", torch.zeros(()), persistent=False)
        self.register_buffer("table", torch.ones(4), persistent=False)
        self.register_buffer("late", None, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            self.seen += 1
            self.mean = 0.9 * self.mean + 0.1 * x.mean(0)
            self.late = x.std(0) if self.late is None else 0.5 * self.late + 0.5 * x.std(0)
        x = x - self.mean + (0 if self.late is None else self.late)
        return self.linear(x * self.table) / (1 + 0.1 * self.seen)  # type: ignore[no-any-return]


class StopAt(Callback):
    """Asks for an end as a signal does."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_train_batch_end(self, session: Any, system: Any, batch: Any, index: int) -> None:
        if session.step == self.step:
            session.parts.interrupts.requested = True


def fit(place: Path, **more: Any) -> Remembering:
    torch.manual_seed(3)
    model = Remembering()
    options = {"loss": "mse", "batch_size": 8, "max_steps": 12, "optimizer": "sgd", "learning_rate": 0.1, "console": False}
    tw.fit(model, ROWS, run_dir=place, **{**options, **more})
    return model


def held(model: Remembering) -> dict[str, Tensor]:
    return {**model.state_dict(), "seen": model.seen, "mean": model.mean, "late": model.late, "table": model.table}


def test_a_continued_run_has_every_tensor_of_the_unbroken_one(tmp_path: Path) -> None:
    whole = held(fit(tmp_path / "whole"))
    with pytest.raises(Interrupted):
        fit(tmp_path / "broken", callbacks=[StopAt(5)])
    continued = held(fit(tmp_path / "broken", resume=True))
    assert whole["seen"] == 12
    for name, tensor in whole.items():
        assert torch.equal(tensor, continued[name]), name


def test_what_does_not_change_is_in_no_checkpoint(tmp_path: Path) -> None:
    from trainwright.files.tensors import load_tensors

    fit(tmp_path / "run")
    last = max((tmp_path / "run" / "checkpoints").glob("step-*"))
    saved = {name for name in load_tensors(last / "running.safetensors") if name.startswith("held/")}
    assert saved == {f"held/device/model.{name}" for name in ("seen", "mean", "late")}


class Counting(nn.Module):
    """Keeps a number and a list in Python."""

    def __init__(self) -> None:
        super().__init__()
        self.linear, self.count, self.steady = nn.Linear(4, 1), 0, "same"

    def forward(self, x: Tensor) -> Tensor:
        self.count += 1
        return self.linear(x) / self.count  # type: ignore[no-any-return]


class Saving(Counting):
    """Keeps it in the checkpoint."""

    def get_extra_state(self) -> Tensor:
        return torch.tensor(self.count)

    def set_extra_state(self, state: Tensor) -> None:
        self.count = int(state)


def log_of(model: Any, place: Path, **more: Any) -> str:
    tw.fit(model, ROWS, run_dir=place, max_steps=3, console=False, **more)
    return (place / "log.txt").read_text()


def test_a_counter_in_python_is_named_once_before_the_first_step(tmp_path: Path) -> None:
    log = log_of(Counting(), tmp_path / "run", loss="mse")
    assert log.count("`count` of Counting") == 1 and "steady" not in log and "register_buffer" in log


def test_a_counter_that_the_module_saves_itself_is_not_named_and_comes_back(tmp_path: Path) -> None:
    model = Saving()
    assert "`count`" not in log_of(model, tmp_path / "run", loss="mse")
    assert model.count >= 3


class Own(tw.System):
    """Counts its steps."""

    def __init__(self) -> None:
        super().__init__()
        self.net, self.steps = nn.Linear(4, 1), 0

    def training_step(self, batch: Any, context: Any) -> Tensor:
        self.steps += 1
        self.log("own", 1.0)
        return (self.net(batch["input"]) - batch["target"]).pow(2).mean()


def test_a_system_that_was_tried_has_counted_nothing(tmp_path: Path) -> None:
    system = Own()
    assert "`steps` of Own" in log_of(system, tmp_path / "run")
    assert system.steps == 3


def test_a_layer_of_torch_is_not_said_to_change(tmp_path: Path) -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Dropout(), nn.Linear(4, 1))
    assert "WARNING" not in log_of(model, tmp_path / "run", loss="mse")

"""A run that waits for data hears signals and its limit of time, wherever it waits; nothing of what was made is lost by it."""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset, IterableDataset, get_worker_info

import trainwright as tw
from trainwright.config.errors import DataError, Interrupted
from trainwright.engine import interrupt

sys.path.insert(0, str(Path(__file__).parent.parent / "engine"))
from engine_runs import same, table, weights

X = torch.randn(48, 4, generator=torch.Generator().manual_seed(0))
Y = (X[:, 0] > 0).long()
LONG = 600.0


def sleeps() -> None:
    time.sleep(LONG)


def reads_a_socket() -> None:
    ours, theirs = socket.socketpair()
    ours.recv(1)
    theirs.close()


def holds_the_interpreter() -> None:
    ctypes.PyDLL(None).sleep(int(LONG))


def stops_itself() -> None:
    os.kill(os.getpid(), signal.SIGSTOP)


class Blocks:
    """Blocks before it gives a row for the n-th time, having touched a file that says so."""

    def __init__(self, folder: Path, how: Callable[[], None] | None, after: int) -> None:
        self.file, self.how, self.left = folder / "waits", how, after

    def row(self, number: int) -> tuple[torch.Tensor, torch.Tensor]:
        begun = get_worker_info() is not None or signal.getsignal(signal.SIGTERM) != signal.SIG_DFL
        self.left -= begun  # what is looked at before the run begins is not counted
        if self.how is not None and self.left < 0:
            self.file.touch()
            self.how()
        return X[number], Y[number]


class Map(Blocks, Dataset[Any]):
    def __len__(self) -> int:
        return len(X)

    def __getitem__(self, number: int) -> Any:
        return self.row(number)


class Stream(Blocks, IterableDataset[Any]):
    def __iter__(self) -> Iterator[Any]:
        for number in range(len(X)):
            yield self.row(number)


FORMS: dict[str, Callable[[Path, Any], Any]] = {
    "map": lambda folder, how: Map(folder, how, 30),
    "loader": lambda folder, how: DataLoader(Map(folder, how, 30), batch_size=8),
    "iterable": lambda folder, how: Stream(folder, how, 30),
    "loader with workers": lambda folder, how: DataLoader(Stream(folder, how, 30), batch_size=8, num_workers=2),
    "workers": lambda folder, how: Map(folder, how, 12),
    "evaluated": lambda folder, how: Map(folder, how, 70),
    "looked at first": lambda folder, how: Map(folder, how, 18),  # 16 rows make the number by which the data are known
    "first batch": lambda folder, how: Map(folder, how, 3),
}


def fitted(folder: Path, form: str, how: Any, resume: bool = False, **more: Any) -> Any:
    """A run over data that block; the weights it ends with."""
    torch.manual_seed(1)
    model, data = nn.Linear(4, 2), FORMS[form](folder.parent, how)
    ready = isinstance(data, DataLoader)
    options: dict[str, Any] = {
        "max_steps": 12,
        "log_every": "2 steps",
        "evaluate_every": "3 steps",
        "checkpoint": {"every": "100 steps", "min_interval": "1 h"},
        "console": False,
        **({} if ready else {"batch_size": 8}),
        **({"loader": {"workers": 2, "start_method": "fork", **more.pop("loader", {})}} if form == "workers" else {}),
        **more,
    }
    measured = form in ("evaluated", "looked at first")
    splits = {"validation": data} if measured else {}
    tw.fit(model, (X, Y) if measured else data, **splits, run_dir=folder, resume=resume, **options)
    return weights(model)


def signal_once_it_waits(folder: Path, number: int) -> threading.Thread:
    def send() -> None:
        while not (folder / "waits").exists():
            time.sleep(0.01)
        time.sleep(0.1)
        os.kill(os.getpid(), number)

    thread = threading.Thread(target=send, daemon=True)
    thread.start()
    return thread


@pytest.mark.parametrize("form", [*FORMS, "socket", "worker that holds the interpreter"])
def test_a_signal_while_data_are_waited_for_saves_and_leaves_and_what_is_continued_is_the_same(
    form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(interrupt, "GRACE", 0.2)
    monkeypatch.setattr("trainwright.engine.workers.GRACE", 0.5)
    how = {"socket": reads_a_socket, "worker that holds the interpreter": holds_the_interpreter}.get(form, sleeps)
    form = {"socket": "map", "worker that holds the interpreter": "loader with workers"}.get(form, form)
    thread = signal_once_it_waits(tmp_path, signal.SIGTERM)
    with pytest.raises(Interrupted, match="nothing new to save" if form == "first batch" else "saved at step") as error:
        fitted(tmp_path / "run", form, how)
    thread.join()
    assert error.value.exit_code == 75
    if form not in ("first batch", "looked at first", "workers", "loader with workers"):
        assert max((tmp_path / "run/checkpoints").glob("step-*")).name > "step-00000000"
    continued = fitted(tmp_path / "run", form, None, resume=True)
    whole = fitted(tmp_path / "whole", form, None)
    assert same(continued, whole)
    assert [row["step"] for row in table(tmp_path / "run")] == [row["step"] for row in table(tmp_path / "whole")]


def test_a_batch_that_comes_within_a_moment_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interrupt, "GRACE", 30.0)  # however slow the machine is, the batch comes within this moment
    thread = signal_once_it_waits(tmp_path, signal.SIGINT)
    # 16 rows are looked at before step 1, so the 31st is in the second batch; a wait that was given up would save at step 1
    with pytest.raises(Interrupted, match=r"saved at step [2-9]"):
        fitted(tmp_path / "run", "map", lambda: time.sleep(0.3))
    thread.join()


@pytest.mark.parametrize("how", [stops_itself, holds_the_interpreter, sleeps])
def test_the_limit_of_time_catches_a_worker_that_is_stopped_or_holds_the_interpreter(how: Any, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="a batch did not come within 2 s") as error:
        fitted(tmp_path / "run", "workers", how, loader={"timeout": "2 s"})
    assert "the workers still read rows" in error.value.why


def test_the_limit_of_time_holds_without_workers_too_and_for_rows_that_are_evaluated(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"a batch did not come within 0\.5 s") as error:
        fitted(tmp_path / "a", "map", sleeps, loader={"timeout": "0.5 s"})
    assert "training batch" in error.value.where
    with pytest.raises(DataError, match=r"a batch did not come within 0\.5 s") as error:
        fitted(tmp_path / "b", "evaluated", sleeps, loader={"timeout": "0.5 s"})
    assert "evaluated batch" in error.value.where
    assert "rows 0, 1, 2" in error.value.why or "rows 8" in error.value.why or "rows 16" in error.value.why


def test_handlers_and_threads_are_gone_after_a_wait_was_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interrupt, "GRACE", 0.1)
    before = [signal.getsignal(each) for each in interrupt.LISTENED]
    signal_once_it_waits(tmp_path, signal.SIGINT).join(0)
    with pytest.raises(Interrupted):
        fitted(tmp_path / "run", "map", sleeps)
    assert [signal.getsignal(each) for each in interrupt.LISTENED] == before
    time.sleep(0.3)  # a thread that still looked would end this with a signal


def test_a_signal_ends_a_measurement_that_waits_for_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from trainwright.data.forms import rows_from
    from trainwright.engine.config import TrainerConfig
    from trainwright.engine.trainer import Trainer
    from trainwright.systems.plain import PlainSystem

    monkeypatch.setattr(interrupt, "GRACE", 0.1)
    system = PlainSystem(nn.Linear(4, 2), ["input"], "cross_entropy", None)
    data = rows_from(Map(tmp_path, sleeps, 20), "validation", torch.float32)
    thread = signal_once_it_waits(tmp_path, signal.SIGTERM)
    with pytest.raises(Interrupted, match="SIGTERM: stopped; nothing was written"):
        Trainer(TrainerConfig(batch_size=8, evaluation_batch_size=8), device="cpu", console=False).validate(system, data)
    thread.join()

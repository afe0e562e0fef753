"""What is other in a run that is continued, its data or its model, is refused or said; what would fail later is refused before step 1."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from engine_runs import StopAt, same, weights
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset

import trainwright as tw
from trainwright.config.errors import ConfigError, Interrupted, RunError
from trainwright.data.rows import TensorRows
from trainwright.engine.fingerprint import rows_number, spread

X = torch.randn(96, 4, generator=torch.Generator().manual_seed(0))
Y = (X[:, 0] > 0).long()


class Map(Dataset[Any]):
    """Rows with noise of their own, drawn from torch and `random`."""

    def __init__(self, x: torch.Tensor) -> None:
        self.x = x

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, number: int) -> Any:
        return {"input": self.x[number] + torch.randn(4) * random.random(), "target": Y[number]}


class Stream(IterableDataset[Any]):
    def __init__(self, x: torch.Tensor) -> None:
        self.x = x

    def __iter__(self) -> Iterator[Any]:
        yield from zip(self.x, Y, strict=True)


class Drifting(Map):
    """Gives another sample each time, whatever the seed."""

    times = 0

    def __getitem__(self, number: int) -> Any:
        Drifting.times += 1
        return {"input": self.x[number] + Drifting.times, "target": Y[number]}


def loader(x: torch.Tensor, **options: Any) -> Any:
    return DataLoader(TensorDataset(x, Y), **{"batch_size": 16, "shuffle": True, **options})


def fitted(folder: Path, data: Any, steps: int, resume: bool = False, model: Any = None, **more: Any) -> Any:
    torch.manual_seed(1)
    model = nn.Linear(4, 2) if model is None else model
    size = {} if isinstance(data, DataLoader) else {"batch_size": 16}
    options: dict[str, Any] = {"loss": "cross_entropy", "console": False, **size, **more}
    tw.fit(model, data, max_steps=steps, run_dir=folder, resume=resume, **options)
    return model


FORMS: dict[str, Callable[[torch.Tensor], Any]] = {
    "loader": loader,
    "list": lambda x: list(zip(x, Y, strict=True)),
    "map": Map,
    "iterable": Stream,
    "loader over an iterable": lambda x: DataLoader(Stream(x), batch_size=16),
    "function": lambda x: lambda: iter(zip(x, Y, strict=True)),
    "generator": lambda x: iter([*zip(x, Y, strict=True)] * 2),
}


@pytest.mark.parametrize("form", FORMS)
def test_other_rows_are_refused_and_the_same_go_on_as_if_never_stopped(form: str, tmp_path: Path) -> None:
    with pytest.raises(Interrupted):
        fitted(tmp_path / "run", FORMS[form](X), 9, callbacks=[StopAt(3)])
    with pytest.raises(RunError, match="cannot be continued") as error:
        fitted(tmp_path / "run", FORMS[form](X + 1), 9, resume=True)
    assert "training rows are others" in error.value.why
    continued = fitted(tmp_path / "run", FORMS[form](X), 9, resume=True)
    assert same(weights(continued), weights(fitted(tmp_path / "whole", FORMS[form](X), 9)))


@pytest.mark.parametrize("form", ["tensors", "list", "map", "loader in order"])
def test_a_last_row_that_is_another_is_refused(form: str, tmp_path: Path) -> None:
    forms = FORMS | {"tensors": lambda x: (x, Y), "loader in order": lambda x: loader(x, shuffle=False)}
    other = torch.cat([X[:-1], X[-1:] + 1])
    fitted(tmp_path / "run", forms[form](X), 3)
    with pytest.raises(RunError) as error:
        fitted(tmp_path / "run", forms[form](other), 9, resume=True)
    assert "training rows are others" in error.value.why


def test_rows_in_memory_are_looked_at_from_the_first_to_the_last() -> None:
    assert spread(5, 8).tolist() == [0, 1, 2, 3, 4] and spread(101, 5).tolist() == [0, 25, 50, 75, 100]
    large = TensorRows({"input": torch.zeros(3000, 2048)})
    assert rows_number(large, 0) != rows_number(TensorRows({"input": torch.cat([torch.zeros(2999, 2048), torch.ones(1, 2048)])}), 0)


@pytest.mark.parametrize("other", [{"shuffle": False}, {"sampler": range(95, -1, -1), "shuffle": None}])
def test_another_order_of_a_loader_is_refused(other: dict[str, Any], tmp_path: Path) -> None:
    fitted(tmp_path / "run", loader(X), 3)
    with pytest.raises(RunError) as error:
        fitted(tmp_path / "run", loader(X, **other), 9, resume=True)
    assert "another order" in error.value.why or "training rows" in error.value.why


def test_of_another_number_of_batches_it_is_batches_that_are_told(tmp_path: Path) -> None:
    fitted(tmp_path / "run", loader(X), 3)
    with pytest.raises(RunError) as error:
        fitted(tmp_path / "run", loader(X, batch_size=32), 9, resume=True)
    assert "batches was 6 and is 3 now" in error.value.why


def test_other_validation_rows_are_refused(tmp_path: Path) -> None:
    fitted(tmp_path / "run", (X, Y), 3, validation=loader(X, shuffle=False))
    with pytest.raises(RunError) as error:
        fitted(tmp_path / "run", (X, Y), 9, resume=True, validation=loader(X + 1, shuffle=False))
    assert "validation rows are others" in error.value.why


def test_rows_that_are_others_each_time_are_not_compared(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    fitted(tmp_path / "run", Drifting(X), 3)
    assert caplog.text.count("cannot be continued exactly") == 1
    fitted(tmp_path / "run", Drifting(X), 6, resume=True)


class Bent(nn.Module):
    def __init__(self, function: Any = None) -> None:
        super().__init__()
        self.inner, self.function = nn.Linear(4, 2), function

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.relu(self.inner(x)) if self.function is None else self.function(self.inner(x))


class Smooth(Bent):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.gelu(self.inner(x))


Smooth.__name__ = "Bent"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (lambda: nn.Sequential(nn.Linear(4, 2), nn.ReLU()), lambda: nn.Sequential(nn.Linear(4, 2), nn.GELU())),
        (lambda: nn.Sequential(nn.Linear(4, 2), nn.Dropout(0.1)), lambda: nn.Sequential(nn.Linear(4, 2), nn.Dropout(0.5))),
        (Bent, Smooth),
        (lambda: Bent(F.relu), lambda: Bent(F.gelu)),
    ],
)
def test_a_model_with_other_functions_is_said(before: Any, after: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    fitted(tmp_path / "run", (X, Y), 3, model=before())
    fitted(tmp_path / "run", (X, Y), 5, resume=True, model=before())
    assert "built otherwise" not in caplog.text
    fitted(tmp_path / "run", (X, Y), 7, resume=True, model=after())
    assert "the model is built otherwise than when this run was begun" in caplog.text


class Own(tw.System):
    mode = "maximize"

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(4, 2)

    def training_step(self, batch: Any, context: Any) -> Any:
        return F.cross_entropy(self.inner(batch["input"]), batch["target"])


@pytest.mark.parametrize("mode", ["maximize", "MAX", "", None])
def test_a_mode_that_is_none_is_refused(mode: Any, tmp_path: Path) -> None:
    made = Own()
    made.mode = mode
    with pytest.raises(ConfigError, match="mode of the system is"):
        tw.fit(made, (X, Y), validation=(X, Y), max_steps=3, run_dir=tmp_path / "run", batch_size=16, console=False)
    assert not (tmp_path / "run").exists()


class Logs(tw.Callback):
    def on_train_batch_end(self, session: Any, *_: Any) -> None:
        for name in ("step", "train/loss", "mine"):
            session.log(name, -5.0)


def test_a_value_under_the_name_of_a_column_of_the_run_has_one_of_its_own(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    fitted(tmp_path / "run", (X, Y), 4, callbacks=[Logs()], log_every="2 steps")
    rows = read(tmp_path / "run")
    assert [row["step"] for row in rows] == [2, 4]
    assert all(row["train/loss"] > 0 for row in rows)
    assert all(row["logged/step"] == row["logged/train/loss"] == row["mine"] == -5 for row in rows)
    assert caplog.text.count("'step' is a column of the run itself") == 1


def read(folder: Path) -> list[dict[str, float]]:
    from trainwright.tracking.csv import read_rows

    return read_rows(folder / "metrics.csv")


class Lacking(tw.Callback):
    def on_validation_end(self, session: Any) -> None:  # type: ignore[override]
        """Takes too little."""


class Another(tw.Callback):
    def on_validation_end(self, a: Any, b: Any, c: Any, more: int = 0) -> None:
        """Other names, and one more with a default, are no mistake."""


def test_a_hook_that_cannot_be_called_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="on_validation_end of Lacking cannot be called") as error:
        fitted(tmp_path / "run", (X, Y), 3, callbacks=[Lacking()])
    assert error.value.fix == "def on_validation_end(self, session, system, metrics)"
    assert not (tmp_path / "run").exists()
    fitted(tmp_path / "other", (X, Y), 3, callbacks=[Another()], validation=(X, Y))

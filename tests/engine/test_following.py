"""What follows the run in the data is told of every step before its batch is read, wherever it lies."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import BatchSampler, ConcatDataset, DataLoader, Dataset, IterableDataset, RandomSampler, Sampler, Subset

import trainwright as tw
from trainwright.config.errors import Interrupted


class Follows(tw.Updateable):
    """Notes what it is told."""

    def __init__(self) -> None:
        self.steps, self.ends = list[int](), list[int]()

    @property
    def now(self) -> float:
        return float(self.steps[-1]) if self.steps else -1.0

    def update_step(self, context: Any) -> None:
        self.steps.append(context.step)

    def update_step_end(self, context: Any) -> None:
        self.ends.append(context.step)


class Views(Dataset[Any], Follows):
    """Gives the step that it was told last."""

    def __init__(self) -> None:
        Follows.__init__(self)

    def __len__(self) -> int:
        return 16

    def __getitem__(self, row: int) -> Any:
        return {"step": torch.tensor(self.now)}


class Streamed(IterableDataset[Any], Follows):
    def __init__(self) -> None:
        Follows.__init__(self)

    def __iter__(self) -> Iterator[Any]:
        while True:
            yield {"step": torch.full((4,), self.now)}


class Order(Sampler[int], Follows):
    def __init__(self) -> None:
        Follows.__init__(self)

    def __len__(self) -> int:
        return 16

    def __iter__(self) -> Iterator[int]:
        return iter(range(16))


class Batches(BatchSampler, Follows):
    def __init__(self) -> None:
        Follows.__init__(self)
        BatchSampler.__init__(self, RandomSampler(range(16)), 4, False)


class Joins(Follows):
    def __call__(self, samples: list[Any]) -> Any:
        return {"step": torch.full((len(samples),), self.now)}

    def collate(self, samples: list[Any]) -> Any:
        return self(samples)


class Wrapped(Dataset[Any]):
    """A person's own wrapper, which follows nothing itself."""

    def __init__(self, inner: Any) -> None:
        self.kept = inner

    def __len__(self) -> int:
        return len(self.kept)

    def __getitem__(self, row: int) -> Any:
        return self.kept[row]


class Zoom(Follows):
    pass


class Zooming(Dataset[Any], tw.Updateable):
    """A dataset with a part of its own, registered by being assigned."""

    def __init__(self) -> None:
        self.zoom = Zoom()

    def __len__(self) -> int:
        return 16

    def __getitem__(self, row: int) -> Any:
        return {"step": torch.tensor(self.zoom.now)}


class Plain(Dataset[Any]):
    def __len__(self) -> int:
        return 16

    def __getitem__(self, row: int) -> Any:
        return {"step": torch.tensor(0.0)}


def closed_over(part: Streamed) -> Any:
    return lambda: iter(part)


class System(tw.System):
    """Notes the step that its batches were made at."""

    def build(self, spec: Any) -> None:
        self.net, self.given, self.tried = nn.Linear(1, 1), dict[int, float](), dict[int, float]()

    def training_step(self, batch: Any, context: Any) -> Tensor:
        self.given.setdefault(context.step, float(batch["step"][0]))  # looked at once more after the run
        return self.net(batch["step"][:, None]).pow(2).mean()

    def evaluation_step(self, batch: Any, context: Any) -> Any:
        self.tried[context.step] = float(batch["step"][0])
        return {"loss": self.net(batch["step"][:, None]).pow(2).mean()}


def fit(data: Any, folder: Path, system: Any = None, **options: Any) -> Any:
    system = system or System()
    size = {} if isinstance(data, DataLoader | IterableDataset) or callable(data) else {"batch_size": 4}
    tw.fit(system, data, run_dir=folder, **{"max_steps": 6, "console": False, "device": "cpu", "batched": None, **size, **options})
    return system


FORMS: dict[str, tuple[type, Any]] = {
    "dataset": (Views, lambda part: part),
    "dataset of a loader": (Views, lambda part: DataLoader(part, batch_size=4)),
    "subset of a concatenation": (Views, lambda part: Subset(ConcatDataset([part, part]), range(16))),
    "own wrapper": (Views, Wrapped),
    "sampler": (Order, lambda part: DataLoader(Plain(), batch_size=4, sampler=part)),
    "batch sampler": (Batches, lambda part: DataLoader(Plain(), batch_sampler=part)),
    "collate object": (Joins, lambda part: DataLoader(Plain(), batch_size=4, collate_fn=part)),
    "collate method": (Joins, lambda part: DataLoader(Plain(), batch_size=4, collate_fn=part.collate)),
    "partial": (Joins, lambda part: DataLoader(Plain(), batch_size=4, collate_fn=partial(Joins.__call__, part))),
    "iterable": (Streamed, lambda part: part),
    "iterable of a loader": (Streamed, lambda part: DataLoader(part, batch_size=None)),
    "function": (Streamed, closed_over),
}


@pytest.mark.parametrize("form", FORMS)
def test_what_lies_in_the_data_is_told_of_a_step_before_its_batch_is_read(form: str, tmp_path: Path) -> None:
    kind, made = FORMS[form]
    part = kind()
    system = fit(made(part), tmp_path / "run", batched=True if "iterable" in form or form == "function" else None)
    assert part.steps[-6:] == part.ends == [0, 1, 2, 3, 4, 5] and set(part.steps[:-6]) == {0}
    if "sampler" not in form:
        assert system.given == {step: float(step) for step in range(6)}


def test_a_part_registered_with_a_dataset_is_told_too(tmp_path: Path) -> None:
    assert fit(Zooming(), tmp_path / "run").given == {step: float(step) for step in range(6)}


def test_a_dataset_that_the_system_holds_too_is_told_once_and_in_time(tmp_path: Path) -> None:
    views, system = Views(), System()
    system.views = views
    assert fit(views, tmp_path / "run", system).given[5] == 5.0 and views.ends == [0, 1, 2, 3, 4, 5]


def test_the_data_of_an_evaluation_are_told_where_the_run_is(tmp_path: Path) -> None:
    held_out = Views()
    system = fit(Views(), tmp_path / "run", validation=held_out, evaluate_every="3 steps")
    assert system.tried == {0: 0.0, 3: 3.0, 6: 6.0} and held_out.ends == []


class Stop(tw.Callback):
    def on_train_batch_end(self, session: Any, system: Any, batch: Any, index: int) -> None:
        if session.step == 3:
            session.parts.interrupts.requested = 1


@pytest.mark.parametrize("streamed", [False, True])
def test_a_continued_run_tells_the_step_it_continues_at(streamed: bool, tmp_path: Path) -> None:
    def data() -> Any:
        return DataLoader(Streamed(), batch_size=None) if streamed else Views()

    with pytest.raises(Interrupted):
        fit(data(), tmp_path / "run", callbacks=[Stop()])
    given = fit(data(), tmp_path / "run", resume=True).given
    assert {step: given[step] for step in (3, 4, 5)} == {3: 3.0, 4: 4.0, 5: 5.0}


def test_copies_in_worker_processes_are_said_not_to_be_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    loader = DataLoader(Streamed(), batch_size=None, num_workers=1)
    fit(loader, tmp_path / "run", max_steps=1)
    assert "Streamed in the training data: the copies in 1 worker processes are not told of steps" in caplog.text


def test_methods_made_for_another_program_are_said_not_to_be_called(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    class Foreign(Plain):
        def update_step(self, epoch: int, global_step: int, on_load_weights: bool = False) -> None:
            raise AssertionError

    caplog.set_level(logging.WARNING)
    fit(Foreign(), tmp_path / "run")
    assert "Foreign.update_step(epoch: 'int', global_step: 'int', on_load_weights: 'bool' = False) -> 'None' is not told" in caplog.text


def test_an_error_names_the_part_and_the_step(tmp_path: Path) -> None:
    class Breaks(Views):
        def update_step(self, context: Any) -> None:
            if context.step == 2:
                raise ZeroDivisionError("no views")

    with pytest.raises(ZeroDivisionError) as raised:
        fit(Wrapped(Breaks()), tmp_path / "run")
    assert "in update_step of 'CastRows.dataset.kept' (Breaks), step 2" in str(raised.value.__notes__)

"""What the engine may ask of rows stands in one class; wrappers are what they wrap, and a class of one's own needs two methods."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

import trainwright as tw
from trainwright.config.errors import DataError
from trainwright.data.adopted_rows import as_rows
from trainwright.data.dataset_rows import DatasetRows
from trainwright.data.forms import rows_from
from trainwright.data.mapped_rows import MappedRows
from trainwright.data.rows import FACTS, FirstRows, Rows, TensorRows, WrappedRows
from trainwright.data.samples import alike
from trainwright.engine.config import TrainerConfig
from trainwright.engine.feed import InOrder
from trainwright.engine.interrupt import Waits
from trainwright.engine.loader_options import LoaderOptions
from trainwright.engine.trainer import Trainer
from trainwright.engine.tuning.worst import worst_rows
from trainwright.systems.plain import PlainSystem

SOURCE = Path(tw.__file__).parent
X = torch.randn(40, 3, generator=torch.Generator().manual_seed(0))
Y = (X[:, 0] > 0).long()
PAIRS = [(x, int(y)) for x, y in zip(X, Y, strict=True)]


class Squares(tw.Rows):
    """The smallest class of one's own."""

    def __len__(self) -> int:
        return 40

    def take(self, indices: Tensor) -> dict[str, Tensor]:
        return {"input": X[indices], "target": Y[indices]}


class Whole(tw.Rows):
    """Ready batches that say of themselves what is otherwise with them."""

    batched = True

    def __init__(self) -> None:
        self.begun: list[tuple[int, int]] = []
        self.closed = 0

    def __len__(self) -> int:
        return 5

    def take(self, indices: Tensor) -> Any:
        place = slice(int(indices[0]) * 8, int(indices[0]) * 8 + 8)
        return X[place], Y[place]

    def begin_epoch(self, seed: int, epoch: int) -> None:
        self.begun.append((seed, epoch))

    def close(self, now: bool = False) -> None:
        self.closed += 1


def generated() -> Any:
    yield from zip(X.split(8), Y.split(8), strict=True)


KINDS: dict[str, Callable[[], Rows]] = {
    "tensors": lambda: TensorRows({"input": X, "target": Y}),
    "mapped": lambda: MappedRows({"input": X.numpy()}, torch.arange(40).numpy()),
    "dataset": lambda: DatasetRows(PAIRS, ["input", "target"]),
    "loader": lambda: rows_from(DataLoader(PAIRS, batch_size=8, num_workers=2), "train", torch.float32),
    "stream": lambda: rows_from(lambda: generated(), "train", torch.float32),
    "generator": lambda: rows_from(generated(), "train", torch.float32, max_steps=3),
    "samples of a stream": lambda: rows_from(lambda: iter(PAIRS), "train", torch.float32, batched=False, batch_size=8),
    "own": Squares,
    "own batches": Whole,
}
WRAPPERS: dict[str, Callable[[Rows], WrappedRows]] = {
    "head": lambda rows: FirstRows(rows, 3),
    "in order": lambda rows: InOrder(rows, LoaderOptions(), pin=False, waits=Waits()),
    "both": lambda rows: InOrder(FirstRows(rows, 3), LoaderOptions(), pin=False, waits=Waits()),
}


@pytest.mark.parametrize("wrapper", WRAPPERS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_wrapper_has_every_fact_of_what_it_wraps(kind: str, wrapper: str) -> None:
    rows = KINDS[kind]()
    wrapped = WRAPPERS[wrapper](rows)
    for fact in FACTS:
        found, expected = getattr(wrapped, fact), getattr(rows, fact)
        assert found is expected or found == expected, fact
    assert wrapped.resumable == rows.resumable and wrapped.describe() == rows.describe()
    assert any(part is rows for _, part in WrappedRows(rows).parts())
    rows.close()


def test_a_wrapper_forgets_no_method() -> None:
    methods = {name for name, each in vars(Rows).items() if inspect.isfunction(each) and not name.startswith("__")} | {"__len__"}
    assert methods <= set(vars(WrappedRows)), methods - set(vars(WrappedRows))
    assert len(FACTS) == len(set(FACTS)) and all(isinstance(vars(WrappedRows)[fact], property) for fact in FACTS)


def test_a_wrapper_hands_on_epochs_ends_and_moves() -> None:
    rows = Whole()
    wrapped = WRAPPERS["both"](rows)
    wrapped.begin_epoch(3, 4)
    wrapped.close()
    assert rows.begun == [(3, 4)] and rows.closed
    assert wrapped.to(torch.device("cpu")) is wrapped
    moved = FirstRows(KINDS["tensors"](), 5).to(torch.device("meta"))
    assert type(moved) is FirstRows and len(moved) == 5 and moved.device.type == "meta"


def test_the_first_rows_tell_of_no_row_beyond_them() -> None:
    class Long(list[Any]):
        def sizes(self) -> list[int]:
            return list(range(len(self)))

    rows = DatasetRows(Long(PAIRS), ["input", "target"])
    assert worst_rows(rows, 2).tolist() == [39, 38]
    assert sorted(worst_rows(FirstRows(rows, 6), 2).tolist()) == [4, 5]


def test_no_fact_of_rows_is_looked_for_by_name() -> None:
    looks = re.compile(r"(getattr|hasattr)\((self\.)?_?(rows|train|validation|session\.(train|validation)|splits\[.*?\])\b[^.\[]")
    for room in ("data", "engine", "systems", "api"):
        for path in (SOURCE / room).rglob("*.py"):
            if path.name == "adopted_rows.py":
                continue
            assert not looks.search(path.read_text(encoding="utf-8")), path


def test_a_class_of_ones_own_trains_as_the_tensors_it_gives(tmp_path: Path) -> None:
    def weights(data: Any, name: str) -> Tensor:
        torch.manual_seed(0)
        model = nn.Linear(3, 2)
        tw.fit(model, data, max_epochs=2, batch_size=8, run_dir=tmp_path / name, console=False)
        return model.weight

    assert torch.equal(weights(Squares(), "own"), weights((X, Y), "tensors"))


def test_batches_of_ones_own_train_in_their_order_and_are_ended(tmp_path: Path) -> None:
    rows, seen = Whole(), []

    class Watch(tw.Callback):
        def on_train_batch_start(self, session: Any, system: Any, batch: Any, index: int) -> None:
            seen.append(batch)

    tw.fit(nn.Linear(3, 2), rows, max_epochs=2, run_dir=tmp_path / "run", callbacks=[Watch()], seed=6, console=False)
    assert len(seen) == 10 and all(alike(batch, rows.take(torch.tensor([at % 5]))) for at, batch in enumerate(seen))
    assert (6, 0) in rows.begun and (6, 1) in rows.begun and rows.closed


class NoTake(tw.Rows):
    def __len__(self) -> int:
        return 3


class NoLength(tw.Rows):
    def take(self, indices: Tensor) -> Any:
        return {"input": X[indices]}


class TakesTwo(Squares):
    def take(self, first: int, last: int) -> Any:  # type: ignore[override]
        return {"input": X[first:last]}


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (NoTake(), r"NoTake has no take\n.*`take`\n.*write `def take\(self, indices\): …` in NoTake"),
        (NoLength(), r"NoLength has no __len__\n.*`__len__`\n.*write `def __len__\(self\): …` in NoLength"),
        (TakesTwo(), r"TakesTwo.take\(first: .*takes no single argument"),
    ],
)
def test_rows_that_lack_what_rows_must_have_are_refused_and_nothing_is_written(rows: Any, message: str, tmp_path: Path) -> None:
    for split in ({"train_data": rows}, {"train_data": (X, Y), "validation": rows}):
        with pytest.raises(DataError, match=message) as error:
            tw.fit(nn.Linear(3, 2), **split, max_epochs=1, run_dir=tmp_path / "run", console=False)
        assert error.value.exit_code == 2 and not list(tmp_path.iterdir())


def test_what_is_no_rows_is_refused_where_rows_are_needed(tmp_path: Path) -> None:
    trainer = Trainer(TrainerConfig.model_validate({"max_epochs": 1}), device="cpu", console=False)
    system = PlainSystem(nn.Linear(3, 2), None, "cross_entropy", None)
    calls: list[Callable[[Any], Any]] = [
        lambda given: trainer.fit(system, given, run=tmp_path),
        lambda given: trainer.fit(system, Squares(), given, run=tmp_path),
        lambda given: trainer.validate(system, given),
        lambda given: trainer.test(system, given),
        lambda given: trainer.predict(system, given),
        lambda given: trainer.train_online(system, given),
    ]
    for call in calls:
        with pytest.raises(
            DataError, match=r"a tuple is no Rows\n.*rows are taken by their numbers\n.*`take\(self, indices\)`; tw.fit takes"
        ):
            call((X, Y))
    assert not list(tmp_path.iterdir())


class Older:
    """Rows as they were written before there was a class for them."""

    ready = True
    inexact = "it draws"

    def __len__(self) -> int:
        return 5

    def take(self, indices: Tensor) -> Any:
        return Whole().take(indices)


class Between(Whole):
    sequential = True


def test_rows_written_before_there_was_a_class_are_taken_and_told_of() -> None:
    with pytest.warns(DeprecationWarning, match="Older has the methods of rows: derive it from trainwright.Rows"):
        rows = as_rows(Older(), "here")
    assert rows.batched and rows.why_not_resumable == "it draws" and not rows.resumable and not rows.iterable
    assert torch.equal(rows.take(torch.tensor([1]))[1], Y[8:16])
    with pytest.warns(DeprecationWarning, match="Between.sequential is now called iterable"):
        assert as_rows(Between(), "here").iterable
    with pytest.warns(DeprecationWarning, match="Squares.ready is now called batched"):
        assert Squares().ready is False


def test_workers_that_a_loader_asks_for_are_named_where_none_begin(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    loader = DataLoader(TensorDataset(X, Y), batch_size=8, num_workers=2)
    tw.fit(nn.Linear(3, 2), loader, max_epochs=1, run_dir=tmp_path / "run", console=False)
    assert "num_workers=2 of the DataLoader starts none: trainer.loader.workers=2 reads its batches ahead" in caplog.text


class Drawing(Rows):
    def __len__(self) -> int:
        return 5

    def take(self, indices: Tensor) -> dict[str, Tensor]:
        return {"input": torch.rand(len(indices), 2), "target": indices}


class DrawingFromItsOwn(Drawing):
    def begin_epoch(self, seed: int, epoch: int) -> None:
        self.key = seed + epoch

    def take(self, indices: Tensor) -> dict[str, Tensor]:
        return {"input": torch.rand(len(indices), 2, generator=torch.Generator().manual_seed(self.key)), "target": indices}


def test_rows_that_draw_from_a_default_generator_say_that_they_cannot_be_continued() -> None:
    before = torch.get_rng_state()
    why = rows_from(Drawing(), "train", torch.float32).why_not_resumable
    assert "Drawing.take draws from the default generator of torch," in why and "begin_epoch(seed, epoch)" in why
    assert torch.equal(before, torch.get_rng_state())
    assert rows_from(DrawingFromItsOwn(), "train", torch.float32).resumable


class Always(Drawing):
    def take(self, indices: Tensor) -> dict[str, Tensor]:
        return {"input": torch.ones(7, 2), "target": torch.ones(7)}


class AlwaysBatches(Always):
    batched = True


def test_another_number_of_rows_than_was_asked_for_is_refused() -> None:
    with pytest.raises(DataError, match=r"Always\.take gives 7 rows where 2 are asked for"):
        rows_from(Always(), "train", torch.float32)
    assert rows_from(AlwaysBatches(), "train", torch.float32).batched

"""A table that is predicted or evaluated is read once, and each of its values encoded once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from small_tables import QUICK, passengers, write_csv

import trainwright as tw
from trainwright.data.arrow import PIECE
from trainwright.data.source import FileSource
from trainwright.features.binary import BinaryFeature
from trainwright.features.category import CategoryFeature
from trainwright.features.number import NumberFeature


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tw.Run:
    folder = tmp_path_factory.mktemp("once")
    return tw.train(write_csv(folder / "table.csv", passengers()), target="survived", run_dir=folder / "run", **QUICK)


@pytest.fixture
def values(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How many values of each column were encoded, as an input or a target."""
    seen: Counter[str] = Counter()

    def counted(encode: Callable[..., Any]) -> Callable[..., Any]:
        def count(self: Any, chunk: pa.Array, *rest: Any) -> Any:
            seen[self.name] += len(chunk)
            return encode(self, chunk, *rest)

        return count

    for feature in (BinaryFeature, CategoryFeature, NumberFeature):
        monkeypatch.setattr(feature, "encode", counted(feature.encode))
        monkeypatch.setattr(feature, "encode_target", counted(feature.encode_target))
    return seen


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The passes that were begun over a file's rows."""
    begun: list[str] = []
    batches = FileSource.batches

    def counted(self: FileSource, columns: list[str] | None = None, rows: int = PIECE) -> Iterator[pa.Table]:
        begun.append(self.name)
        return batches(self, columns, rows)

    monkeypatch.setattr(FileSource, "batches", counted)
    return begun


def test_predicting_encodes_every_input_once_and_no_target(run: tw.Run, tmp_path: Path, values: Counter[str], passes: list[str]) -> None:
    table = write_csv(tmp_path / "new.csv", passengers(300, seed=1))
    assert run.predict(table).num_rows == 300
    assert values == {"sex": 300, "age": 300, "fare": 300, "port": 300}
    assert passes == ["new.csv"]


def test_evaluating_encodes_every_input_and_target_once(run: tw.Run, tmp_path: Path, values: Counter[str], passes: list[str]) -> None:
    run.evaluate(write_csv(tmp_path / "new.csv", passengers(300, seed=1)))
    assert values == {"sex": 300, "age": 300, "fare": 300, "port": 300, "survived": 300}
    assert passes == ["new.csv"]

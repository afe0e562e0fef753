"""A table with a column of every type, as input and, where it can be, as target: trained, saved, loaded, predicted."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import soundfile
from PIL import Image
from small_tables import QUICK

import trainwright as tw
from trainwright.config.registry import parts

ROWS = 120
NUMBER = np.random.default_rng(0).normal(size=ROWS).round(3)
"""From which the answer follows, and how loud the recordings are."""
FOLDER = tempfile.TemporaryDirectory()
"""Where the arrays and recordings of columns of files are."""


@pytest.fixture(scope="module", autouse=True)
def files() -> None:
    """The arrays and recordings."""
    for row in range(ROWS):
        rng, loud = np.random.default_rng(row), np.exp(NUMBER[row])
        np.save(Path(FOLDER.name) / f"{row}.npy", rng.normal(size=(2, 3)))
        Image.fromarray(rng.integers(0, 255, (8, 9, 3), dtype=np.uint8)).save(Path(FOLDER.name) / f"{row}.png")
        soundfile.write(Path(FOLDER.name) / f"{row}.wav", loud * rng.normal(size=(80 + row % 20, 2)) / 99, 100, subtype="FLOAT")


def table() -> dict[str, Any]:
    """Columns of every type; `answer` follows from the number."""
    random = np.random.default_rng(0)
    number = random.normal(size=ROWS).round(3)
    words = ["red", "green", "blue", "small", "large", "old"]

    def some(low: int, high: int) -> list[str]:
        return list(random.choice(words, random.integers(low, high), replace=False))

    return {
        "number": number,
        "binary": random.choice(["yes", "no"], ROWS),
        "category": random.choice(["a", "b", "c"], ROWS),
        "set": ["|".join(some(1, 4)) for _ in range(ROWS)],
        "bag": [" ".join(some(2, 6)) for _ in range(ROWS)],
        "vector": [" ".join(map(str, random.normal(size=3).round(2))) for _ in range(ROWS)],
        "sequence": [" ".join(some(2, 6)) for _ in range(ROWS)],
        "text": [f"the {' '.join(some(3, 6))} thing, number {k}" for k in range(ROWS)],
        "date": [f"2024-{1 + k % 12:02d}-{1 + k % 28:02d}" for k in range(ROWS)],
        "timeseries": [" ".join(map(str, random.normal(size=random.integers(4, 9)).round(2))) for _ in range(ROWS)],
        "file": [str(Path(FOLDER.name) / f"{row}.npy") for row in range(ROWS)],
        "signal": [str(Path(FOLDER.name) / f"{row}.wav") for row in range(ROWS)],
        "audio": [str(Path(FOLDER.name) / f"{row}.wav") for row in range(ROWS)],
        "image": [str(Path(FOLDER.name) / f"{row}.png") for row in range(ROWS)],
        "answer": np.where(number + random.normal(0, 0.3, ROWS) > 0, "up", "down"),
    }


TYPES = [name for name in table() if name != "answer"]
COLUMNS = {name: {"type": name} for name in TYPES}


def test_the_table_has_every_type_there_is() -> None:
    assert set(TYPES) == set(parts("feature")) - {"auto", "ignore", "mask"}  # a mask is no input


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tw.Run:
    """A run that reads a column of every type."""
    place = tmp_path_factory.mktemp("every") / "run"
    return tw.train(table(), target="answer", columns=COLUMNS, inputs=TYPES, run_dir=place, **QUICK)


def test_a_column_of_every_type_is_an_input(run: tw.Run) -> None:
    assert run.model.encoder.inputs == TYPES
    assert run.metrics["test"]["answer"]["accuracy"] > 0.5


def test_the_loaded_model_predicts_the_same(run: tw.Run) -> None:
    new = pa.table(table()).slice(0, 10)
    assert tw.load(run.path).predict(new).equals(run.predict(new))


def test_missing_values_of_every_type_are_predicted(run: tw.Run) -> None:
    nothing = pa.table({name: pa.nulls(4, pa.string() if name != "number" else pa.float64()) for name in TYPES})
    assert run.predict(nothing).num_rows == 4


@pytest.mark.parametrize("target", ["number", "binary", "category", "set", "vector"])
def test_every_predictable_type_is_a_target(target: str, tmp_path: Path) -> None:
    run = tw.train(
        table(),
        target=target,
        columns={target: {"type": target}},
        inputs=[name for name in ("number", "binary", "answer") if name != target][-2:],
        run_dir=tmp_path / "r",
        **QUICK,
    )
    assert run.metrics["test"][target]
    assert len(run.predict(table())) == ROWS


@pytest.mark.parametrize("combiner", list(parts("combiner")))
def test_every_combiner_trains_and_is_loaded_again(combiner: str, tmp_path: Path) -> None:
    settings = {**QUICK, "model": {"combiner": combiner}, "trainer": {**QUICK["trainer"], "max_epochs": 1}}
    columns = {name: COLUMNS[name] for name in ("number", "category", "set")}
    run = tw.train(table(), target="answer", columns=columns, inputs=list(columns), run_dir=tmp_path / "r", **settings)
    assert tw.load(run.path).predict(table()).equals(run.predict(table()))


def test_tied_columns_share_one_encoder(tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    data = {"sender": random.choice(list("abcd"), 90), "receiver": random.choice(list("abcd"), 90)}
    data["same"] = np.where(data["sender"] == data["receiver"], "y", "n")
    settings = {**QUICK, "model": {**QUICK["model"], "tied": {"who": ["sender", "receiver"]}, "encoders": {"category": "embedding"}}}
    run = tw.train(data, target="same", run_dir=tmp_path / "r", **settings)
    assert len(run.model.system.encoders) == 1

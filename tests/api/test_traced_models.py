"""A table's model exported by torch.export answers raw rows as `Run.predict` does."""

from __future__ import annotations

import functools
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import soundfile
import torch
from small_tables import QUICK, passengers

import trainwright as tw
from trainwright.cli.main import main
from trainwright.config.registry import load, parts
from trainwright.deploy.tracing.program import trace_program
from trainwright.domains.tables.traced import TableDeliverable, TracedTable
from trainwright.features.traced.base import COLUMNS, TARGETS

ROWS = 120
FOLDER = tempfile.TemporaryDirectory()
ROUNDED = ("date",)
"""Columns whose module may differ from the column in the last bit of float32."""
SEQUENCES = ("sequence", "text", "timeseries")
"""Columns whose encoders read shorter batches where they may look at the rows, and whole ones in an exported graph."""


def table() -> dict[str, Any]:
    """Columns of every type, some values missing; `answer` and `amount` follow from the number."""
    return dict(_written())


@functools.cache
def _written() -> dict[str, Any]:
    """The same, whose files are written once."""
    random = np.random.default_rng(0)
    number = random.normal(size=ROWS).round(3)
    words = ["red", "green", "blue", "small", "large", "old"]

    def some(low: int, high: int) -> list[str]:
        return list(random.choice(words, random.integers(low, high), replace=False))

    for row in range(ROWS):
        rng = np.random.default_rng(row)
        np.save(Path(FOLDER.name) / f"{row}.npy", rng.normal(size=(2, 3)))
        soundfile.write(Path(FOLDER.name) / f"{row}.wav", rng.normal(size=(70, 2)) / 9, 100, subtype="FLOAT")
    return {
        "number": [None if row % 9 == 4 else float(each) for row, each in enumerate(number)],
        "binary": random.choice(["yes", "no"], ROWS),
        "category": [None if row % 10 == 3 else each for row, each in enumerate(random.choice(["a", "b", "c"], ROWS))],
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
        "answer": np.where(number + random.normal(0, 0.3, ROWS) > 0, "up", "down"),
        "amount": (number * 3 + 20).round(3),
    }


def test_every_type_of_column_has_a_module_or_is_left_out() -> None:
    found = {load("feature", name).traced_as or name for name in parts("feature") if name not in ("auto", "ignore")}
    assert {each for each in found if ":" not in each} == set(COLUMNS)
    assert set(TARGETS) == {"number", "binary", "category", "set", "vector", "file"}


@pytest.mark.parametrize("kind", [*COLUMNS, "signal", "audio"])
def test_a_traced_model_answers_rows_as_the_run_does(kind: str, tmp_path: Path) -> None:
    data = table()
    columns = {name: {"type": name} for name in {kind, "number"}}
    run = tw.train(data, target="answer", columns=columns, inputs=list(columns), run_dir=tmp_path / "r", **QUICK)
    rows = pa.table(data)
    program = trace_program(TableDeliverable(run.model)).module()
    expected = run.predict(rows)
    for answered in (TracedTable(run.model).predict(rows), TracedTable(run.model, program).predict(rows)):
        assert answered.schema == expected.schema
        for name in expected.column_names:
            given, wanted = answered[name], expected[name]
            if kind in (*ROUNDED, *SEQUENCES) and name != "answer_prediction":
                np.testing.assert_allclose(given.to_numpy(), wanted.to_numpy(), rtol=0, atol=2e-6)
            else:
                assert given.equals(wanted), name
    some = rows.slice(3, 1)
    assert TracedTable(run.model, program).predict(some)["answer_prediction"].equals(run.predict(some)["answer_prediction"])


@pytest.mark.parametrize("target", [each for each in TARGETS if each != "file"])
def test_a_traced_model_predicts_every_kind_of_target(target: str, tmp_path: Path) -> None:
    data, inputs = table(), [name for name in ("number", "binary", "category") if name != target]
    columns = {name: {"type": name} for name in (*inputs, target)}
    if target in ("number", "category"):
        data[target] = list(table()[{"number": "amount", "category": "binary"}[target]])
    run = tw.train(data, target=target, columns=columns, inputs=inputs, run_dir=tmp_path / "r", **QUICK)
    program = trace_program(TableDeliverable(run.model)).module()
    assert TracedTable(run.model, program).predict(pa.table(data)).equals(run.predict(pa.table(data)))


@pytest.mark.parametrize("combiner", list(parts("combiner")))
def test_a_model_of_every_combiner_is_exported(combiner: str, tmp_path: Path) -> None:
    settings = {**QUICK, "model": {"combiner": combiner}, "trainer": {**QUICK["trainer"], "max_epochs": 1}}
    columns = {name: {"type": name} for name in ("number", "category", "set")}
    run = tw.train(table(), target="answer", columns=columns, inputs=list(columns), run_dir=tmp_path / "r", **settings)
    answered = TracedTable(run.model, trace_program(TableDeliverable(run.model)).module()).predict(pa.table(table()))
    assert answered["answer_prediction"].equals(run.predict(pa.table(table()))["answer_prediction"])
    np.testing.assert_allclose(
        answered["answer_probability_up"].to_numpy(), run.predict(pa.table(table()))["answer_probability_up"].to_numpy(), atol=1e-6
    )


def read_by_hand(described: dict[str, Any], rows: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
    """What somebody without Trainwright does: numbers as they are, texts by the tables of columns.json."""
    found = {}
    for name, column in described["inputs"].items():
        values = [row[name] for row in rows]
        if column["type"] == "number":
            found[name] = torch.tensor([float("nan") if each is None else each for each in values], dtype=torch.float64)
        else:
            exact, folded = column["table"]["exact"], column["table"]["without_case"]
            codes = [
                column["missing"] if each is None else exact.get(each, folded.get(each.casefold(), column["unknown"])) for each in values
            ]
            found[name] = torch.tensor(codes)
    return found


def test_the_exported_folder_is_enough_to_answer_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    run = tw.train(passengers(200), target="survived", run_dir="run", **QUICK)
    assert main(["export", "run", "--to", "pt2", "-o", "out"]) == 0
    assert {each.name for each in Path("out").iterdir()} == {"model.pt2", "columns.json", "parity.json", "MODEL_CARD.md"}
    described = json.loads(Path("out/columns.json").read_text())
    table = pa.table(passengers(50, seed=3))
    rows = table.to_pylist()
    rows[0] = {**rows[0], "port": "nowhere", "age": None}
    program = torch.export.load("out/model.pt2").module()
    raw = read_by_hand(described, rows)
    assert {name: str(each.dtype).removeprefix("torch.") for name, each in raw.items()} == {
        name: each["dtype"] for name, each in described["tensors"].items()
    }
    with torch.no_grad():
        answers = program(raw)
    expected = run.predict(pa.Table.from_pylist(rows))
    classes = described["targets"]["survived"]["classes"]
    predicted = [str(each) for each in expected["survived_prediction"].to_pylist()]
    assert [classes[each] for each in answers["survived.prediction"].tolist()] == predicted
    probabilities = [expected[f"survived_probability_{name}"].to_numpy() for name in classes]
    assert np.array_equal(answers["survived.probability"].numpy(), np.stack(probabilities, 1))


def test_what_has_no_module_is_refused_with_nothing_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    x, y = torch.randn(20, 3), torch.zeros(20, dtype=torch.long)
    tw.fit(torch.nn.Linear(3, 2), (x, y), loss="cross_entropy", max_steps=1, run_dir="fitted", device="cpu", console=False)
    assert main(["export", "fitted", "--to", "pt2", "-o", "out"]) == 2
    told = capsys.readouterr().err
    assert "was made by tw.fit in Python" in told and "fix:" in told
    assert main(["export", "fitted", "--to", "torsh", "-o", "out"]) == 2
    assert "there is no format 'torsh'" in capsys.readouterr().err
    assert not Path("out").exists()

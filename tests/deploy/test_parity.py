"""An artifact is kept only where it answers as the run's model does, and what differs is named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from torch import Tensor, nn

import trainwright as tw
from trainwright.cli.main import main
from trainwright.config.errors import TrainwrightError
from trainwright.deploy.exporters.base import Trained
from trainwright.deploy.exporters.onnx_exporter import OnnxExporter
from trainwright.deploy.exporters.options import OnnxOptions
from trainwright.deploy.parity.batches import pieces
from trainwright.deploy.parity.columns import compare_columns
from trainwright.deploy.parity.proof import prove

ROWS = torch.linspace(-1, 1, 200).reshape(50, 4)


class Net(nn.Module):
    """Two layers."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(4, 8), nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(torch.relu(self.first(x)))


class Normed(Net):
    """The same with a normalisation, which answers otherwise while it trains."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8))


class Restless(Net):
    """The same, with a dropout that forgets that it is asked for answers."""

    def forward(self, x: Tensor) -> Tensor:
        return self.last(nn.functional.dropout(torch.relu(self.first(x)), 0.5, training=True))


def fitted(model: type[nn.Module], folder: Path) -> Any:
    """A run of such a network, with its model."""
    rows = (ROWS, (ROWS.sum(1) > 0).long())
    tw.fit(model(), rows, loss="cross_entropy", metrics=["accuracy"], max_epochs=1, run_dir=folder / "run", progress="none")
    return tw.load(folder / "run", model=model())


def test_the_first_module_where_numbers_part_is_named(tmp_path: Path) -> None:
    run = fitted(Net, tmp_path)
    trained, exporter = Trained(run.path, run.predictor), OnnxExporter(OnnxOptions())
    exporter.write(trained, tmp_path / "model.onnx")
    good = prove(trained, exporter, tmp_path / "model.onnx", {"input": ROWS})
    assert good.passed and good.cause is None and good.rows == 50
    with torch.no_grad():
        trained.deliverable.module.get_parameter("system.model.last.bias")[1] += 0.5
    bad = prove(trained, exporter, tmp_path / "model.onnx", {"input": ROWS})
    assert not bad.passed and bad.worst.name == "output" and bad.worst.over == 50
    assert bad.cause is not None
    assert (bad.cause.module, bad.cause.kind) == ("system.model.last", "Linear")
    assert bad.cause.run - bad.cause.artifact == pytest.approx(0.5, abs=1e-5)


def test_a_network_that_answers_otherwise_each_time_is_not_kept_and_told_as_such(tmp_path: Path) -> None:
    run = fitted(Restless, tmp_path)
    for _ in range(2):  # the report of the first is no output that would be in the way of the second
        with pytest.raises(TrainwrightError, match="gives another answer at each call, from system") as error:
            run.export("onnx", tmp_path / "out", rows={"input": ROWS})
        assert error.value.exit_code == 1
        assert [each.name for each in (tmp_path / "out").iterdir()] == ["parity.json"]
    report = json.loads((tmp_path / "out" / "parity.json").read_text())
    assert report["passed"] is False and report["first_difference"]["module"] == "system.model"


def test_a_fitted_run_is_exported_by_the_command_where_its_class_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    fitted(Net, tmp_path)
    np.savez("rows.npz", input=ROWS.numpy())
    here = f"{Path(__file__)}:Net"
    assert main(["export", "run", "-o", "net.onnx", f"model={here}", "--rows", "rows.npz"]) == 0
    assert "net.onnx: 50 rows of rows.npz" in capsys.readouterr().out
    assert {each.name for each in tmp_path.iterdir()} >= {"net.onnx", "parity.json", "MODEL_CARD.md", "load_model.py"}
    assert main(["export", "run", "--to", "onnx"]) == 2
    assert "model=./net.py:Net" in capsys.readouterr().err


def test_a_plain_model_has_its_metrics_by_both(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    trainer = {"max_epochs": 1, "progress": "none"}
    system = {"type": "plain", "model": f"{Path(__file__)}:Normed", "loss": "cross_entropy", "metrics": ["accuracy"]}
    data = {"type": "table", "path": "builtin:iris", "target": "target"}
    (tmp_path / "c.json").write_text(json.dumps({"system": system, "data": data, "trainer": trainer}))
    assert main(["train", "c.json", "run.dir=run"]) == 0
    assert main(["export", "run", "--to", "onnx", "-o", "out"]) == 0
    metrics = json.loads(Path("out/parity.json").read_text())["metrics"]
    assert metrics["run"][""]["accuracy"] == metrics["artifact"][""]["accuracy"]
    assert metrics["run"][""]["loss"] == pytest.approx(metrics["artifact"][""]["loss"], rel=1e-5)


@pytest.mark.parametrize(("count", "sizes"), [(1, [1]), (3, [1, 2]), (256, [1, 2, 7, 246])])
def test_rows_are_asked_in_batches_of_1_2_7_and_the_rest(count: int, sizes: list[int]) -> None:
    assert [each.stop - each.start for each in pieces(count)] == sizes


def columns(*, number: list[float | None], word: list[str]) -> pa.Table:
    """Predictions."""
    return pa.table({"number": pa.array(number, pa.float64()), "word": word})


def test_numbers_may_differ_by_the_tolerance_and_decisions_by_nothing() -> None:
    run = [columns(number=[1.0, 100.0, None], word=["a", "b", "c"])]
    number, word = compare_columns(run, [columns(number=[1.0 + 9e-5, 100.009, None], word=["a", "b", "c"])])
    assert number.passed and number.equal == 1 and number.largest == pytest.approx(0.009)
    assert word.passed and word.equal == 3
    number, word = compare_columns(run, [columns(number=[1.0, 100.1, 3.0], word=["a", "b", "d"])])
    assert (number.over, number.row, number.run is None or np.isnan(number.run), number.artifact) == (2, 2, True, 3.0)
    assert (word.over, word.row, word.run, word.artifact) == (1, 2, "c", "d")


def test_a_decision_may_differ_where_its_numbers_lie_on_a_border_and_hardly_any_do() -> None:
    words = ["a"] * 200
    run = [columns(number=[0.5] * 200, word=words)]
    one = [columns(number=[0.5 + 1e-6] * 200, word=["b", *words[1:]])]
    assert [each.passed for each in compare_columns(run, one)] == [True, True]
    assert compare_columns(run, one)[1].equal == 199
    many = [columns(number=[0.5 + 1e-6] * 200, word=["b"] * 200)]
    assert [each.passed for each in compare_columns(run, many)] == [True, False]

"""Runs of a system of one's own from a configuration: trained, continued, measured, predicted, exported, and refused."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from commands import command_process
from trainwright.api.fit import fit
from trainwright.cli.main import main
from trainwright.config.errors import TrainwrightError
from trainwright.files.tensors import load_tensors

pytestmark = pytest.mark.slow

PARTS = '''
import os
import time
from typing import Any

import torch
from torch import nn

import trainwright as tw


@tw.register("{name}")
class Geometry(tw.BaseModule):
    """A net."""

    class Config(tw.BaseModule.Config):
        width: int = 8

    def configure(self) -> None:
        self.net = nn.Sequential(nn.Linear(6, self.cfg.width), nn.ReLU(), nn.Dropout(0.1), nn.Linear(self.cfg.width, 2))

    def forward(self, x):
        return self.net(x)


class Louder:
    """A mixin."""

    def forward(self, x):
        return 2 * super().forward(x)


class MySystem(tw.System):
    class Config(tw.System.Config):
        geometry: tw.Part

    def build(self, spec: Any) -> None:
        self.rows, self.classes = spec.rows, spec["classes"]
        self.geometry = tw.make(self.cfg.geometry)

    def training_step(self, batch, context):
        time.sleep(float(os.environ.get("SLOW", "0")))
        loss = nn.functional.cross_entropy(self.geometry(batch["input"]), batch["target"])
        return {{"fit": loss, "size": torch.stack([each.pow(2).sum() for each in self.parameters()]).sum()}}

    def predict_step(self, batch):
        return {{"p": self.geometry(batch["input"]).softmax(1)}}

    def export(self, folder):
        (folder / "note.txt").write_text(f"{{self.classes}} classes")


class Data:
    def __init__(self, n: int = 64):
        generator = torch.Generator().manual_seed(0)
        x = torch.randn(n, 6, generator=generator)
        y = (x[:, 0] > 0).long()
        self.spec = {{"classes": 2}}
        self.train, self.validation, self.test, self.predict = (x, y), (x[:20], y[:20]), (x[20:40], y[20:40]), (x[:10], y[:10])
'''

CONFIG = """
imports: [./parts.py]
system:
  type: ./parts.py:MySystem
  geometry: {{type: {name}, width: 5}}
  loss: {{lambda_size: [0, 0.001, 0.0001, 100]}}
data: {{type: ./parts.py:Data, n: 48}}
trainer: {{max_epochs: 4, batch_size: 16, checkpoint: {{every: 2 steps}}}}
run: {{device: cpu, name: own}}
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Path:
    """A folder with parts and a configuration; each test registers its part by a name of its own."""
    name = f"geometry-{abs(hash(request.node.nodeid))}"
    (tmp_path / "parts.py").write_text(PARTS.format(name=name))
    (tmp_path / "cfg.yaml").write_text(CONFIG.format(name=name))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def said(capsys: pytest.CaptureFixture[str]) -> str:
    captured = capsys.readouterr()
    return captured.out + captured.err


def test_a_run_is_trained_measured_predicted_and_exported(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["validate", "cfg.yaml"]) == 0
    assert main(["train", "cfg.yaml", "run.dir=run"]) == 0
    results = json.loads((place / "run/results.json").read_text())
    assert (place / "run/report.html").is_file()
    capsys.readouterr()
    assert main(["test", "run", "--json"]) == 0
    measured = json.loads(capsys.readouterr().out)
    assert measured["metrics"][""]["loss"] == pytest.approx(results["metrics"]["test"]["loss"], rel=1e-6)
    assert (measured["step"], measured["epoch"]) == (results["best"]["step"], -(-results["best"]["step"] // 3))
    assert main(["validate", "run", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["metrics"][""]["loss"] == pytest.approx(results["metrics"]["validation"]["loss"], rel=1e-6)
    assert main(["test", "cfg.yaml", "--weights", "run", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["metrics"] == measured["metrics"]
    assert main(["predict", "run", "-o", "p.npz"]) == 0
    assert np.load(place / "p.npz")["p"].shape == (10, 2)
    assert main(["export", "run", "-o", "out"]) == 0
    assert (place / "out/note.txt").read_text() == "2 classes"
    assert load_tensors(place / "out/model.safetensors").keys() == load_tensors(place / "run/model/model.safetensors").keys()


def test_the_written_configuration_repeats_the_run_from_anywhere(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert main(["train", "cfg.yaml", "run.dir=run"]) == 0
    elsewhere = place / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    assert main(["train", "../run/config.yaml", "run.dir=again"]) == 0
    one, other = load_tensors(place / "run/model/model.safetensors"), load_tensors(elsewhere / "again/model/model.safetensors")
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_a_killed_run_continues_bit_for_bit(place: Path) -> None:
    words = ["train", "cfg.yaml", "trainer.max_epochs=12"]
    assert main([*words, "run.dir=whole"]) == 0
    slow = {**os.environ, "SLOW": "0.2"}  # so that it is not over before it is killed, however busy the machine is
    process = command_process([*words, "run.dir=cut"], place, slow, [place / "said", place / "said"])
    process.start()
    until = time.monotonic() + 60
    while not list((place / "cut/checkpoints").glob("step-*6*")) and time.monotonic() < until and process.is_alive():
        time.sleep(0.01)
    process.kill()
    process.join()
    assert not (place / "cut/results.json").exists()
    assert main(["resume", "cut"]) == 0
    one, other = load_tensors(place / "whole/model/model.safetensors"), load_tensors(place / "cut/model/model.safetensors")
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_a_mixin_is_put_before_a_registered_part(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = (place / "cfg.yaml").read_text().split("type: geometry-")[1].split(",")[0]
    mixed = f"system.geometry.type=geometry-{name}:./parts.py:Louder"
    assert main(["train", "cfg.yaml", mixed, "run.dir=run", "trainer.max_steps=1", "trainer.max_epochs=null"]) == 0, said(capsys)


def test_settings_that_change_the_past_of_a_run_are_refused(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "cfg.yaml", "run.dir=run"]) == 0
    assert main(["resume", "run", "system.geometry.width=9"]) == 2
    assert "this run is finished, with other settings" in said(capsys)


WRONG: dict[str, tuple[list[str], str]] = {
    "unknown option": (["system.geomtry=x"], "unknown option 'geomtry'"),
    "unknown option of a part": (["system.geometry.widht=3"], "unknown option 'widht'"),
    "unknown part": (["system.geometry.type=sphere"], "unknown part type 'sphere'"),
    "no such file": (["data.type=./nowhere.py:Data"], "no such file"),
    "a class that is no system": (["system={type: ./parts.py:Louder}"], "a Louder is no system"),
    "a model as a system": (["system={type: torch.nn.Linear, in_features: 2, out_features: 2}"], "Linear has no training_step"),
    "no data": (["data=null"], "there are no data"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_cannot_be_is_refused_with_nothing_written(case: str, place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words, what = WRONG[case]
    assert main(["train", "cfg.yaml", *words, "run.dir=run"]) == 2
    text = said(capsys)
    assert what in text
    assert "Traceback" not in text
    assert not (place / "run").exists()


def test_a_dry_run_writes_nothing(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = sorted(each.name for each in place.iterdir())
    assert main(["train", "cfg.yaml", "--dry-run"]) == 0
    assert "nothing was written" in said(capsys)
    assert sorted(each.name for each in place.iterdir() if each.name != "__pycache__") == before


SHORT = """
model:
  type: graph
  nodes:
    - {Linear: [6, 4]}
    - ReLU
    - {Linear: [4, 2]}
loss: cross_entropy
metrics: [accuracy]
data: {type: ./parts.py:Data}
trainer: {max_epochs: 2, batch_size: 16}
run: {device: cpu}
"""


def test_a_model_and_a_loss_at_the_top_are_a_plain_system(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place / "short.yaml").write_text(SHORT)
    assert main(["train", "short.yaml", "run.dir=run"]) == 0
    results = json.loads((place / "run/results.json").read_text())
    assert 0 <= results["metrics"]["test"]["target"]["accuracy"] <= 1
    assert main(["validate", "short.yaml", "loss=cross_entrpy"]) == 2
    assert "did you mean 'cross_entropy'?" in said(capsys)


INSIDE = """
init: [{modules: Linear, weight: xavier_uniform, bias: 0.5}]
parametrizations: [{names: "*.weight", modules: Linear, type: weight_norm}]
hooks: [{modules: ReLU, do: record, statistics: [mean]}]
weights_ignore: ["nothing.*"]
"""


def test_what_is_done_inside_the_model_stands_at_the_top_too(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place / "short.yaml").write_text(SHORT + INSIDE)
    assert main(["train", "short.yaml", "run.dir=run"]) == 0, said(capsys)
    assert yaml.safe_load((place / "run/config.yaml").read_text())["system"]["init"][0]["bias"] == 0.5
    assert main(["validate", "short.yaml", "init=[{modles: Linear}]"]) == 2
    assert "unknown option 'modles'" in said(capsys)
    assert main(["train", "short.yaml", "weights=nowhere.pt", "run.dir=other"]) == 2
    assert "nowhere.pt" in said(capsys)


def test_a_short_option_beside_a_system_is_told_which_form_to_keep(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place / "both.yaml").write_text((place / "cfg.yaml").read_text() + "model: ./parts.py:Louder\n")
    assert main(["validate", "both.yaml"]) == 2
    text = said(capsys)
    assert "both.yaml:10:1: 'model' stands at the top beside `system`" in text
    assert "a file has either `system:` or `model:` at the top" in text
    assert "unknown option" not in text


@pytest.mark.parametrize("command", ["test", "validate", "predict", "evaluate", "predict new.csv"])
def test_a_run_of_python_says_how_its_model_is_named(command: str, place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = torch.zeros(8, 3), torch.zeros(8, dtype=torch.long)
    fit(torch.nn.Linear(3, 2), rows, loss="cross_entropy", max_steps=1, run_dir="fitted", device="cpu")
    capsys.readouterr()
    name, *more = command.split()
    assert main([name, "fitted", *more]) == 2
    text = said(capsys)
    assert text.startswith("error: fitted: this run was made by tw.fit in Python\n")
    assert "model=./net.py:Linear; in Python tw.load('fitted', model=Linear(…))" in text
    assert text.count("error") == 1


def test_a_measurement_needs_weights(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["test", "cfg.yaml"]) == 2
    assert "a configuration has no weights of its own" in said(capsys)


def test_fewer_batches_are_enough_to_try(place: Path) -> None:
    assert main(["train", "cfg.yaml", "--limit-batches", "1", "run.dir=run"]) == 0
    assert json.loads((place / "run/results.json").read_text())["timing"]["steps"] == 4


def test_errors_of_the_own_code_in_a_later_step_end_with_a_traceback_in_the_log(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    waits, fails = 'time.sleep(float(os.environ.get("SLOW", "0")))', "assert context.step < 5, 'the view is empty'"
    text = (place / "parts.py").read_text().replace(waits, fails)
    (place / "parts.py").write_text(text)
    found: Any = None
    try:
        code = main(["train", "cfg.yaml", "run.dir=run"])
    except AssertionError as error:
        found, code = error, 1
    assert code == 1
    assert found is None or isinstance(found, AssertionError)
    assert not isinstance(found, TrainwrightError)
    assert "the view is empty" in (place / "run/log.txt").read_text()
    assert json.loads((place / "run/run.json").read_text())["status"] == "failed"

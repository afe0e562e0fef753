"""Runs of a table, of a system of one's own and of `tw.fit` are made by one path, and have the same."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import trainwright as tw
from trainwright.cli.main import main
from trainwright.config.errors import ConfigError, RequestError
from trainwright.systems.run_config import read_config

FILES = {
    "run.json",
    "config.yaml",
    "command.txt",
    "environment.json",
    "code.json",
    "data.json",
    "log.txt",
    "metrics.csv",
    "checkpoints",
    "model",
    "model.json",
    "results.json",
    "analysis.json",
    "report.html",
}
NET = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, width: int = 4):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(3, width), nn.ReLU(), nn.Linear(width, 2))

    def forward(self, x):
        return self.layers(x)

def data():
    x = torch.randn(60, 3, generator=torch.Generator().manual_seed(0))
    y = (x.sum(1) > 0).long()
    return {"train": (x[:40], y[:40]), "validation": (x[40:50], y[40:50]), "test": (x[50:], y[50:])}
"""
TRAINER = {"max_epochs": 2, "batch_size": 8}
QUICK = {"baselines": [], "importance": False, "intervals": False}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.py").write_text(NET)
    return tmp_path


def train_table(place: str, **more: Any) -> None:
    tw.train("builtin:iris", run_dir=place, trainer={**TRAINER, **more.pop("trainer", {})}, evaluation=QUICK, **more)


def train_own(place: str, **more: Any) -> None:
    system = {"type": "plain", "model": {"type": "./net.py:Net"}, "loss": "cross_entropy"}
    sections: dict[str, Any] = {"system": system, "data": {"type": "./net.py:data"}, "trainer": {**TRAINER, **more.pop("trainer", {})}}
    tw.train(config=sections, run_dir=place, **more)


def fit_object(place: str, **more: Any) -> None:
    space: dict[str, Any] = {}
    exec(NET, space)  # a model of the program itself
    torch.manual_seed(0)
    options = {**TRAINER, **more.pop("trainer", {})}
    tw.fit(space["Net"](), space["data"](), run_dir=place, console=False, **options, **more)


WAYS: list[Callable[..., None]] = [train_table, train_own, fit_object]


@pytest.mark.parametrize("way", WAYS)
def test_every_run_has_the_same_files_and_a_configuration_that_is_read_again(way: Callable[..., None], here: Path) -> None:
    way("run")
    assert {each.name for each in (here / "run").iterdir()} >= FILES
    config = read_config(here / "run" / "config.yaml")
    assert config.trainer.max_epochs == 2 and not config.run.dir
    assert json.loads((here / "run" / "run.json").read_text())["headline"]["metric"]
    assert main(["report", "run"]) == 0 and main(["inspect", "run"]) == 0 and main(["compare", "run", "run"]) == 0


PULLED = """
import os
import trainwright as tw

class Pulled(tw.Callback):
    def on_train_epoch_end(self, session, *_):
        if os.path.exists("pull") and session.step > int(open("pull").read()):
            raise RuntimeError("pulled")
"""


@pytest.mark.parametrize("way", [train_table, train_own])
def test_a_later_end_is_written_down_so_that_the_run_ends_there_whoever_continues_it(way: Callable[..., None], here: Path) -> None:
    (here / "pulled.py").write_text(PULLED)
    for step, resume in (("1", False), ("6", True)):
        (here / "pull").write_text(step)
        with pytest.raises(RuntimeError, match="pulled"):
            way("run", resume=resume, trainer={"max_epochs": 5 if resume else 2, "callbacks": [{"type": "./pulled.py:Pulled"}]})
        assert json.loads((here / "run" / "run.json").read_text())["status"] == "failed"
    (here / "pull").unlink()
    assert main(["resume", "run"]) == 0
    assert json.loads((here / "run" / "results.json").read_text())["realised"]["epochs"] == 5


@pytest.mark.parametrize("way", WAYS)
def test_a_child_of_every_run_goes_on_from_its_last_step(way: Callable[..., None], here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    way("run")
    steps = json.loads((here / "run" / "results.json").read_text())["realised"]["steps"]
    if way is fit_object:
        fit_object("child", fork="run", trainer={"max_epochs": 3})
        assert main(["resume", "run", "--fork", "trainer.max_epochs=3"]) == 2
        assert "this run was made by tw.fit in Python" in capsys.readouterr().err
    else:
        assert main(["resume", "run", "--fork", "run.dir=child", "trainer.max_epochs=3"]) == 0
    info = json.loads((here / "child" / "run.json").read_text())
    assert (info["status"], info["forked_at"]) == ("finished", steps)
    assert json.loads((here / "child" / "results.json").read_text())["realised"]["steps"] == steps * 3 // 2


@pytest.mark.parametrize("way", WAYS)
def test_what_is_refused_leaves_no_directory_and_a_run_as_it_was(way: Callable[..., None], here: Path) -> None:
    with pytest.raises(RequestError):
        way("run", trainer={"batch_size": 4, "micro_batch_size": 8})
    assert not (here / "run").exists()
    way("run")
    files = [here / "run" / name for name in ("config.yaml", "signature.json", "run.json") if (here / "run" / name).is_file()]
    before = [each.read_text() for each in files]
    with pytest.raises(ConfigError, match="other settings"):
        way("run", resume=True, trainer={"batch_size": 4})
    assert [each.read_text() for each in files] == before


def test_a_run_of_fit_from_before_is_known_for_what_it_is(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fit_object("run")
    old = "model: Net\nloss: cross_entropy\ntrainer:\n  max_epochs: 2\nrun:\n  seed: 0\n  device: auto\n"
    (here / "run" / "config.yaml").write_text(old)
    assert read_config(here / "run" / "config.yaml").system.type == "given"
    assert main(["resume", "run", "trainer.max_epochs=4"]) == 2
    assert "tw.fit(…, run_dir=RUN, resume=True)" in capsys.readouterr().err


def test_processor_cores_of_a_run_are_those_that_were_asked_for(here: Path) -> None:
    (here / "seeing.py").write_text(SEEING)
    before = torch.get_num_threads()
    train_own("run", run={"threads": before + 1}, trainer={"callbacks": [{"type": "./seeing.py:Seeing"}]})
    assert (here / "seen").read_text() == str(before + 1) and torch.get_num_threads() == before


SEEING = """
import torch
import trainwright as tw

class Seeing(tw.Callback):
    def on_train_start(self, *_):
        open("seen", "w").write(str(torch.get_num_threads()))
"""


def test_a_loss_with_options_is_written_down_and_measured_by_again(here: Path) -> None:
    space: dict[str, Any] = {}
    exec(NET, space)
    fitted = tw.fit(space["Net"](), space["data"](), loss={"type": "focal", "gamma": 5.0}, run_dir="run", console=False, **TRAINER)
    assert read_config(here / "run" / "config.yaml").system.loss == {"type": "focal", "gamma": 5.0}
    x, y = space["data"]()["test"]
    found = tw.load("run", model=space["Net"]()).evaluate({"input": x, "target": y})
    assert found[""]["loss"] == pytest.approx(fitted.metrics["test"]["loss"], rel=1e-6)


def test_a_run_of_fit_from_before_is_continued_by_the_same_call(here: Path) -> None:
    fit_object("run", checkpoint={"every": "1 epoch"})
    steps = json.loads((here / "run" / "results.json").read_text())["realised"]["steps"]
    config = read_config(here / "run" / "config.yaml").model_dump(mode="json")
    old = {"model": "Net", "loss": "cross_entropy", "trainer": config["trainer"], "run": {"seed": 0, "device": "auto"}}
    (here / "run" / "config.yaml").write_text(json.dumps(old))
    fit_object("run", resume=True, checkpoint={"every": "1 epoch"}, trainer={"max_epochs": 4})
    assert json.loads((here / "run" / "results.json").read_text())["realised"]["steps"] == 2 * steps
    assert read_config(here / "run" / "config.yaml").system.type == "given"


@pytest.mark.parametrize("way", [train_table, train_own])
def test_fit_does_not_continue_a_run_of_another_kind(way: Callable[..., None], here: Path) -> None:
    way("run")
    before = (here / "run" / "config.yaml").read_text()
    with pytest.raises(ConfigError, match="this run cannot be continued with other settings"):
        tw.fit(torch.nn.Linear(3, 2), (torch.randn(8, 3), torch.zeros(8).long()), loss={"type": "focal"}, run_dir="run", resume=True)
    assert (here / "run" / "config.yaml").read_text() == before


def test_fit_does_not_continue_a_run_of_a_system_without_a_loss(here: Path) -> None:
    (here / "own.py").write_text(OWN)
    tw.train(config={"system": {"type": "./own.py:Own"}, "data": {"type": "./net.py:data"}, "trainer": TRAINER}, run_dir="run")
    with pytest.raises(ConfigError, match="other settings"):
        tw.fit(torch.nn.Linear(3, 2), (torch.randn(8, 3), torch.zeros(8).long()), loss={"type": "focal"}, run_dir="run", resume=True)


OWN = """
import torch
import trainwright as tw

class Own(tw.System):
    def build(self, spec):
        self.layer = torch.nn.Linear(3, 2)

    def training_step(self, batch, context):
        return torch.nn.functional.cross_entropy(self.layer(batch["input"]), batch["target"])
"""

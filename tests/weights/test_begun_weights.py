"""A run keeps what became of the weights that its modules began with, and `weights` of a configuration says how they are taken."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
import yaml

import trainwright as tw
from trainwright.cli.main import main

NET = """
import torch
from torch import nn
import trainwright as tw


def net(classes=3, channels=1):
    return nn.Sequential(nn.Conv2d(channels, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(288, classes))


def data():
    x, y = torch.randn(40, 1, 8, 8, generator=torch.Generator().manual_seed(0)), torch.arange(40) % 3
    return {"train": (x, y), "validation": (x, y)}


class Geometry(tw.BaseModule):
    def configure(self):
        self.net = nn.Linear(4, 4)


class Holder(tw.System):
    class Config(tw.System.Config):
        geometry: tw.Part = "./net.py:Geometry"

    def build(self, spec):
        self.geometry = tw.make(self.config.geometry)

    def training_step(self, batch, context):
        return self.geometry.net(batch["x"]).square().mean()


def rows():
    return {"train": {"x": torch.ones(20, 4)}}
"""
PLAIN = {"model": "./net.py:net", "data": {"type": "./net.py:data"}, "trainer": {"max_epochs": 1, "batch_size": 20}}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.py").write_text(NET)
    scope: dict[str, object] = {}
    exec(NET, scope)
    state = scope["net"](10, 3).state_dict()  # type: ignore[operator]
    torch.save({"state_dict": {f"module.{name}": value for name, value in state.items()}, "epoch": 3}, tmp_path / "old.pth")
    return tmp_path


def train(place: Path, config: dict[str, object], name: str = "run") -> int:
    (place / "config.yaml").write_text(yaml.safe_dump(config | {"evaluation": {"report": False}}))
    return main(["train", "config.yaml", f"run.dir={name}"])


def test_a_run_keeps_what_became_of_its_weights(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert train(place, PLAIN | {"weights": "old.pth"}) == 0
    said = capsys.readouterr()
    lines = ["adapted: 0.weight: 3 input channels there, 1 here: summed", "replaced: 3 has 10 outputs there and 3 here"]
    kept = json.loads((place / "run/weights.json").read_text())
    assert [(each["module"], each["epoch"], each["adapted"], each["heads"]) for each in kept] == [
        ("model", 3, [lines[0].removeprefix("adapted: ")], {"3": lines[1].removeprefix("replaced: ")})
    ]
    for line in ["weights from old.pth: 2 of 4 tensors loaded (80 numbers), epoch 3", *lines]:
        assert line in said.out + said.err and line in (place / "run/log.txt").read_text()


def test_without_weights_there_is_no_such_file(place: Path) -> None:
    assert train(place, PLAIN) == 0 and not (place / "run/weights.json").exists()


def test_a_mapping_says_how_they_are_taken(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert train(place, PLAIN | {"weights": {"source": "old.pth", "adapt": None, "least": 0.1}}) == 0
    assert json.loads((place / "run/weights.json").read_text())[0]["adapted"] == []
    assert train(place, PLAIN | {"weights": {"source": "old.pth", "ignore": ["0"], "renames": {"module.3": "0"}}}, "other") == 2
    assert "these are weights of another architecture" in capsys.readouterr().err and not (place / "other").exists()
    digest = "0" * 64
    assert train(place, PLAIN | {"weights": {"source": "old.pth", "sha256": digest}}, "other") == 2
    assert "this file has another sha256" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("weights", "said"),
    [
        ({"soruce": "old.pth"}, "did you mean 'source'"),
        ({"source": ""}, "source"),
        ({"source": "old.pth", "least": 3}, "least"),
        ({"source": "old.pth", "adapt": {"channels": "sum"}}, "channels"),
        (["old.pth"], "weights"),
        ("timm/resnet1", "the weights of timm/resnet1 are not on this machine"),
    ],
)
def test_a_mapping_that_can_be_none_is_refused_where_it_stands(
    place: Path, weights: object, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(place, PLAIN | {"weights": weights}) == 2
    assert said in capsys.readouterr().err and not (place / "run").exists()


def test_parts_of_a_system_say_which_they_were(place: Path) -> None:
    torch.save({"geometry": {"net.weight": torch.eye(4), "net.bias": torch.ones(4)}}, place / "part.pt")
    config = {"system": {"type": "./net.py:Holder", "geometry": {"type": "./net.py:Geometry", "weights": "part.pt:geometry"}}}
    config |= {"data": {"type": "./net.py:rows"}, "trainer": {"max_steps": 1}}
    assert train(place, config) == 0
    kept = json.loads((place / "run/weights.json").read_text())
    assert [(each["module"], sorted(each["loaded"])) for each in kept] == [("geometry", ["net.bias", "net.weight"])]


def test_weights_that_were_loaded_in_python_are_kept_too(tmp_path: Path) -> None:
    model = torch.nn.Linear(2, 2)
    tw.load_weights(model, torch.nn.Linear(2, 2).state_dict())
    rows = torch.zeros(8, 2), torch.zeros(8, dtype=torch.long)
    tw.fit(model, rows, loss="cross_entropy", max_steps=1, run_dir=str(tmp_path / "run"), device="cpu", console=False)
    assert json.loads((tmp_path / "run/weights.json").read_text())[0]["source"] == "the mapping given"

"""`trainer.progress=file`: progress.json whole at every moment, standard output for the exported files alone, export at the end."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import trainwright as tw
from trainwright.engine.callbacks import progress_file

OWN = """
import torch
from torch import nn
import trainwright as tw

class Net(tw.System):
    def build(self, spec):
        self.net = nn.Linear(3, 1)

    def training_step(self, batch, context):
        return (self.net(batch["x"]) - batch["y"]).pow(2).mean()

    def export(self, folder):
        (folder / "shape.txt").write_text("a shape")

def rows():
    x = torch.rand(32, 3, generator=torch.Generator().manual_seed(0))
    return {"train": {"x": x, "y": x[:, :1]}, "validation": {"x": x, "y": x[:, :1]}}
"""


def test_a_run_writes_where_it_is_and_exports_at_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "own.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(progress_file, "INTERVAL", 0.0)
    states: list[dict[str, Any]] = []
    write = progress_file.write_json

    def watched(path: Path, content: Any) -> None:
        write(path, content)
        states.append(json.loads(path.read_text()))

    monkeypatch.setattr(progress_file, "write_json", watched)
    trainer = {"max_steps": 4, "batch_size": 16, "progress": "file", "evaluate_every": "2 steps"}
    run = tw.train(config={"system": {"type": "./own.py:Net"}, "data": {"type": "./own.py:rows"}, "trainer": trainer}, run_dir="run")
    shown = capsys.readouterr().out.splitlines()
    assert {Path(each) for each in shown} == {each for each in Path("run-model").rglob("*") if each.is_file()}
    assert Path("run-model/shape.txt").read_text() == "a shape"
    assert {each["state"] for each in states} == {"starting", "training", "validating", "finished"}
    last = json.loads((Path("run") / "progress.json").read_text())
    assert last == states[-1] and (last["state"], last["step"], last["progress"], last["max_steps"]) == ("finished", 4, 1.0, 4)
    assert last["best"]["value"] == pytest.approx(
        min(each["row"]["validation/loss"] for each in states if "validation/loss" in each["row"])
    )
    assert [each["step"] for each in states] == sorted(each["step"] for each in states)
    assert run.path.name == "run"


def test_a_run_that_fails_says_so_in_the_file(tmp_path: Path) -> None:
    class Broken(tw.System):
        def build(self, spec: Any) -> None:
            self.net = nn.Linear(3, 1)

        def training_step(self, batch: Any, context: Any) -> Any:
            if context.step == 2:
                raise KeyError("nothing")
            return self.net(batch["x"]).mean()

    with pytest.raises(KeyError):
        tw.fit(Broken(), {"x": torch.rand(8, 3)}, batch_size=4, max_steps=5, run_dir=tmp_path / "run", console=False, progress="file")
    found = json.loads((tmp_path / "run" / "progress.json").read_text())
    assert (found["state"], found["why"], found["step"]) == ("failed", "KeyError", 2)

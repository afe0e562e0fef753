"""`trainwright inspect` of classes, graphs, configurations and runs, and what it says of a wrong request."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from trainwright.api.inspect import FILE, record_model
from trainwright.api.inspect_config import inspect_run
from trainwright.cli.inspect import shapes_in
from trainwright.cli.main import main
from trainwright.config.errors import RequestError
from trainwright.runs.directory import RunDirectory

NET = """\
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self, width: int = 4, classes: int = 3) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, width, 3, padding=1)
        self.head = nn.Linear(width, classes)

    def forward(self, image):
        return self.head(self.stem(image).mean((2, 3)))


def data():
    generator = torch.Generator().manual_seed(0)
    return {"train": (torch.randn(16, 3, 8, 8, generator=generator), torch.randint(0, 3, (16,), generator=generator))}
"""
OWN = """\
import torch
import trainwright as tw
from torch import nn


class Own(tw.System):
    def __init__(self, config=None):
        super().__init__(config)
        self.net = nn.Linear(4, 2)
        self.critic = nn.Linear(2, 1)

    def training_step(self, batch, context):
        x, y = batch.values()
        self.log("seen", len(x))
        return {"fit": ((self.net(x) - y) ** 2).mean()}


class Alone(Own):
    automatic_optimization = False


def data():
    return {"train": (torch.ones(8, 4), torch.ones(8, 2))}
"""
LIT = """\
import lightning
import torch
from torch import nn


class Neither(lightning.LightningModule):
    def __init__(self):
        super().__init__()
        self.net = nn.Linear(4, 2)

    def training_step(self, batch, index):
        x, y = batch
        return ((self.net(x) - y) ** 2).mean()

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.1)


class Forward(Neither):
    def forward(self, x):
        return self.net(x)


class Predict(Neither):
    def predict_step(self, batch, index):
        return self.net(batch[0])
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "net.py").write_text(NET)
    (tmp_path / "mine.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")
    return tmp_path


def said(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(["inspect", *words]) == 0
    return capsys.readouterr().out


def refused(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(["inspect", *words]) == 2
    return capsys.readouterr().err


def totals(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, int]:
    return json.loads(said(capsys, *words, "--json"))["totals"]


def test_a_class_is_made_with_its_arguments_and_run_on_its_inputs(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    printed = said(capsys, "./net.py:Net", "width=8", "--input", "3x10x10")
    lines = [line.split() for line in printed.splitlines()]
    assert ["├─", "stem", "Conv2d", "1×8×10×10", "224", "89.2", "%", "yes", "22,400", "99.9", "%"] in lines
    assert "parameters     251 (all trained)" in printed
    assert "input          image 1×3×10×10" in printed
    assert sorted(each.name for each in folder.iterdir() if each.suffix) == ["mine.py", "net.py"]


def test_several_inputs_of_different_kinds_are_drawn_by_name_and_in_order(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    named = "input1=3,input2=4"
    words = ["torch.nn.Bilinear", "in1_features=3", "in2_features=4", "out_features=5"]
    assert totals(capsys, *words, "--input", named, "--batch-size", "6")["mult_adds"] == 6 * 65
    assert totals(capsys, *words, "--input", "3,4")["mult_adds"] == 65
    printed = said(capsys, "torch.nn.Embedding", "num_embeddings=9", "embedding_dim=2", "--input", "7", "--dtype", "int64")
    assert "1×7×2" in printed
    assert "20×16" in said(capsys, "torch.nn.LSTM", "input_size=8", "hidden_size=16", "--input", "20x8", "--batch-size", "0")


def test_buffers_depth_match_and_json_are_shown(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["torch.nn.BatchNorm1d", "num_features=4", "--input", "4", "--batch-size", "3"]
    assert "num_batches_tracked  ()     int64        8  persistent" in said(capsys, *words, "--buffers")
    assert "stem" not in said(capsys, "./net.py:Net", "--input", "3x8x8", "--depth", "0")
    assert "stem" not in said(capsys, "./net.py:Net", "--input", "3x8x8", "--match", "*Linear").split("parameters  ")[1].split("\n\n")[0]
    read = json.loads(said(capsys, "./net.py:Net", "--input", "3x8x8", "--json"))
    assert read["rows"][1]["shapes"] == [[1, 4, 8, 8]] and read["totals"]["megabytes"]["input"] == pytest.approx(768e-6)


def test_the_picture_is_written_where_it_was_asked_for(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "written: net.svg" in said(capsys, "./net.py:Net", "--input", "3x8x8", "-o", "net.svg")
    assert (folder / "net.svg").read_text().startswith("<svg xmlns=")


def test_a_graph_needs_no_inputs_when_it_states_their_shapes(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    nodes = "inputs: {x: {shape: [4]}, y: {shape: [4]}}\nnodes:\n- {type: add, inputs: [x, y]}\n- fc: {Linear: [4, 3]}\n"
    (folder / "graph.yaml").write_text(nodes)
    assert totals(capsys, "graph.yaml", "--batch-size", "5")["mult_adds"] == 5 * 15
    (folder / "model.yaml").write_text("model:\n  type: graph\n" + "".join(f"  {line}\n" for line in nodes.splitlines()))
    assert "input          x 3×4, y 3×4" in said(capsys, "model.yaml", "--batch-size", "3")
    assert totals(capsys, "model.yaml", "--input", "4,4", "--batch-size", "2")["mult_adds"] == 2 * 15


def test_the_config_of_a_table_is_run_on_its_first_rows(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "t.yaml").write_text("data: {source: 'builtin:iris'}\nmodel: {combiner: {type: concat}}\n")
    printed = said(capsys, "t.yaml", "--batch-size", "4")
    assert "SupervisedSystem" in printed and "combiner" in printed and "number.value 4×4" in printed
    assert "SupervisedSystem" in said(capsys, "builtin:iris")
    assert "--batch-size 0: data have rows" in refused(capsys, "t.yaml", "--batch-size", "0")
    assert refused(capsys, "t.yaml", "--input", "3").startswith("error: --input: a table's model takes the columns of the table")


def test_a_model_in_a_config_is_run_on_the_configs_data(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "c.yaml").write_text("model: {type: './net.py:Net'}\nloss: cross_entropy\ndata: {type: './net.py:data'}\n")
    assert "4×4×8×8" in said(capsys, "c.yaml", "--batch-size", "4")
    assert "1×9×8×8" in said(capsys, "c.yaml", "model.width=9")


def test_a_system_of_ones_own_is_seen_by_the_step_it_makes(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "s.yaml").write_text("system: {type: './mine.py:Own'}\ndata: {type: './mine.py:data'}\n")
    printed = said(capsys, "s.yaml")
    assert "net" in printed and "never called" in next(line for line in printed.splitlines() if "critic" in line)
    (folder / "a.yaml").write_text("system: {type: './mine.py:Alone'}\ndata: {type: './mine.py:data'}\n")
    assert "it was not run: it steps its optimizers by itself, so it cannot predict" in said(capsys, "a.yaml")


def test_a_lightning_module_is_seen_by_its_forward_and_its_predict_step(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("lightning")
    (folder / "lit.py").write_text(LIT)
    for name, shape in (("Forward", "4×2"), ("Predict", "4×2")):
        (folder / "l.yaml").write_text(f"system: {{type: './lit.py:{name}'}}\ndata: {{type: './mine.py:data'}}\n")
        printed = said(capsys, "l.yaml", "--batch-size", "4")
        assert next(line for line in printed.splitlines() if "net" in line).split()[3] == shape
    (folder / "l.yaml").write_text("system: {type: './lit.py:Neither'}\ndata: {type: './mine.py:data'}\n")
    assert "it has neither predict_step nor forward" in said(capsys, "l.yaml")


def test_a_run_is_shown_from_what_it_kept_and_made_again_when_asked(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = "model: {type: './net.py:Net'}\nloss: cross_entropy\ndata: {type: './net.py:data'}\ntrainer: {max_steps: 2, batch_size: 4}\n"
    (folder / "c.yaml").write_text(text)
    assert main(["train", "c.yaml", "run.dir=r"]) == 0
    capsys.readouterr()
    assert "stem" in said(capsys, "r")
    run = RunDirectory.open("r")
    from trainwright.api.own.prepare import prepare_own
    from trainwright.systems.run_config import read_config

    prepared = prepare_own(read_config(run.config))
    record_model(run, prepared.system, prepared.splits["train"])
    assert (folder / "r" / FILE).is_file()
    (folder / "net.py").unlink()
    assert "stem" in said(capsys, "r") and inspect_run(run).totals.parameters == 127
    (folder / "net.py").write_text(NET)
    assert "one argument too many: '--input 3'" in refused(capsys, "r", "--input", "3")
    assert "8×4×8×8" in said(capsys, "r", "--batch-size", "8")
    (folder / "r" / FILE).write_text('{"format": 99}')
    assert "1×4×8×8" in said(capsys, "r")


def test_a_model_that_cannot_be_looked_at_does_not_stop_a_run(folder: Path) -> None:
    class Broken(torch.nn.Module):
        def predict_step(self, batch: object) -> object:
            raise ValueError("no")

    from trainwright.data.rows import TensorRows

    run = RunDirectory.create(str(folder / "b"), "b")
    record_model(run, Broken(), TensorRows({"x": torch.zeros(3, 2)}))
    assert not (run.path / FILE).exists()
    run.close()


def test_wrong_requests_are_answered(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "nothing to inspect" in refused(capsys)
    assert "missing.yaml: there is no such file" in refused(capsys, "missing.yaml")
    assert "'net.png' is no SVG file" in refused(capsys, "./net.py:Net", "-o", "net.png")
    assert "there is no picture of a model that was not run" in refused(capsys, "./net.py:Net", "-o", "n.svg")
    assert "this file cannot be written" in refused(capsys, "./net.py:Net", "--input", "3x8x8", "-o", "no/n.svg")
    assert "-1 is no depth" in refused(capsys, "./net.py:Net", "--depth=-1")
    assert "it takes (width: int = 4, classes: int = 3)" in refused(capsys, "./net.py:Net", "wide=3")
    assert "'./net.py:data' gives a dict, not a model" in refused(capsys, "./net.py:data")
    assert "'8' is no argument" in refused(capsys, "./net.py:Net", "8")
    assert "no such run" in refused(capsys, "nowhere")
    wrong = refused(capsys, "./net.py:Net", "--input", "4x8x8")
    assert wrong.splitlines()[0] == "error: Net: 'stem' (Conv2d) cannot take 1×4×8×8"
    assert "in_channels is 3, but dimension 1 is 4" in wrong


@pytest.mark.parametrize(
    ("text", "dtype", "what"),
    [
        ("3y4", "float32", "'3y4' is no input"),
        ("3", "int65", "unknown dtype 'int65'"),
        ("3:flot32", "float32", "unknown dtype 'flot32'"),
        ("a=3,4", "float32", "some inputs have a name and some have none"),
    ],
)
def test_inputs_that_cannot_be_read_are_named(text: str, dtype: str, what: str) -> None:
    with pytest.raises(RequestError, match=what):
        shapes_in(text, dtype)


def test_inputs_are_read() -> None:
    assert shapes_in("3x32x32, ():int64", "float16") == [("", (3, 32, 32), "float16"), ("", (), "int64")]
    assert shapes_in("x=5,mask=5:bool", "float32") == [("x", (5,), "float32"), ("mask", (5,), "bool")]

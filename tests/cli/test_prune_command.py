"""`trainwright prune`: a child of a run, pruned and trained on, and its parent as it was."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

import trainwright as tw
from trainwright.cli.main import main
from trainwright.config.errors import ConfigError, RequestError
from trainwright.weights.sources import read_weights

SMALL = ["trainer.max_epochs=2", "trainer.batch_size=32", "model.combiner={type: mlp, depth: 1, width: 16}", "evaluation.report=false"]
QUICK = [
    "evaluation.baselines=[]",
    "evaluation.intervals=false",
    "evaluation.importance=false",
    "run.device=cpu",
    "trainer.progress=none",
    "trainer.ema=0.9",
]


@pytest.fixture(scope="module")
def parent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    place, before = tmp_path_factory.mktemp("pruned"), Path.cwd()
    os.chdir(place)
    assert main(["train", "builtin:iris", "run.dir=parent", *SMALL, *QUICK]) == 0
    yield place
    os.chdir(before)


@pytest.fixture
def here(parent: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(parent)
    return parent


def files(place: Path) -> dict[str, bytes]:
    return {str(each.relative_to(place)): each.read_bytes() for each in sorted(place.rglob("*")) if each.is_file()}


def weights(run: Path | str) -> dict[str, torch.Tensor]:
    return dict(read_weights(run)[0].tensors)


def test_a_child_is_its_parent_with_zeros_and_the_parent_stays(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = files(here / "parent")
    assert main(["prune", "parent", "--type", "l1", "--amount", "0.5", "run.dir=half"]) == 0
    said = capsys.readouterr().out
    assert files(here / "parent") == before
    found = json.loads((here / "half" / "pruning.json").read_text())
    theirs, ours = weights("parent"), weights("half")
    for layer in found["layers"]:
        mine, other = ours[layer["name"]], theirs[layer["name"]]
        assert layer["pruned"] == round(0.5 * layer["weights"]) <= layer["zeros"] == int((mine == 0).sum())
        assert torch.equal(mine[mine != 0], other[mine != 0]), "what is kept is the model of the parent, which is an average here"
    named = {each["name"] for each in found["layers"]}
    assert all(torch.equal(ours[name], theirs[name]) for name in ours if name not in named)
    assert "sparsity" in said and "total" in said and "accuracy" in said and "before" in said
    run = json.loads((here / "half" / "run.json").read_text())
    assert run["parent"].endswith("parent") and run["status"] == "finished"


def test_training_goes_on_with_what_is_left(here: Path) -> None:
    child = tw.prune("parent", "global_l1", amount=0.8, schedule="cubic", every="1 steps", finetune="2 epochs", settings=["run.dir=cubic"])
    steps = child.results["realised"]["steps"]
    per_epoch = json.loads((here / "parent" / "results.json").read_text())["realised"]["steps"] // 2
    assert steps == 4 * per_epoch
    found = json.loads((child.path / "pruning.json").read_text())
    assert found["pruned"] == round(0.8 * found["weights"])
    assert any(not torch.equal(mine[mine != 0], weights("parent")[name][mine != 0]) for name, mine in weights(child.path).items())
    again = tw.prune(child.path, "global_l1", amount=0.9, settings=["run.dir=again"])
    ours, theirs = weights(again.path), weights(child.path)
    for name in (each["name"] for each in found["layers"] if each["zeros"] == each["pruned"]):
        assert not bool(((theirs[name] == 0) & (ours[name] != 0)).any()), "what was pruned before stays so"
    row = {"sepal length (cm)": 5.0, "sepal width (cm)": 3.0, "petal length (cm)": 1.4, "petal width (cm)": 0.2}
    assert tw.load(again.path).predict([row])


def test_what_was_pruned_stays_so_in_other_children(here: Path) -> None:
    tw.prune("parent", "l1", amount=0.5, settings=["run.dir=first"])
    assert main(["resume", "first", "--fork", "trainer.max_steps=12", "trainer.callbacks=[]", "run.dir=on"]) == 0
    first, on = weights("first"), weights("on")
    layers = json.loads((here / "first" / "pruning.json").read_text())["layers"]
    names = [each["name"] for each in layers if each["zeros"] == each["pruned"]]
    assert names and all(torch.equal(first[name] == 0, on[name] == 0) for name in names)


def test_one_weight_and_all_of_a_layer(here: Path) -> None:
    assert main(["prune", "parent", "--type", "l1", "--amount", "1", "--names", "decoders", "run.dir=one"]) == 0
    assert json.loads((here / "one" / "pruning.json").read_text())["pruned"] == 1
    assert main(["prune", "parent", "--type", "l1", "--amount", "1.0", "--names", "decoders", "run.dir=all"]) == 0
    found = json.loads((here / "all" / "pruning.json").read_text())
    assert found["pruned"] == found["weights"] > 1
    assert "amount: 1.0" in (here / "all" / "config.yaml").read_text() and "amount: 1\n" in (here / "one" / "config.yaml").read_text()


REFUSED: dict[str, tuple[list[str], str]] = {
    "an unknown method": (["--type", "l2"], "l1"),
    "an unknown option of the method": (["--type", "l1", "--dim", "1"], "--dim"),
    "an option of another method": (["--type", "global_l1", "--dim", "0"], "an option of random_structured and ln_structured"),
    "no file of masks": (["--type", "mask"], "give it: `.safetensors` or `.npz`"),
    "more of four than four": (["--type", "2:4", "--keep", "5", "--of", "4"], "keep at most 3 of 4"),
    "a norm of order 0": (["--type", "ln_structured", "--n", "0"], "write 1, 2 or inf"),
    "less than one weight": (["--amount", "1e-9"], "prunes nothing"),
    "ninety": (["--amount", "90.0"], "0.9"),
    "everything": (["--amount", "1.0"], "below 1.0"),
    "no such layer": (["--names", "combinr"], "combiner"),
    "a time": (["--finetune", "5 min"], "5 epochs"),
    "no unit": (["--finetune", "5"], "5 epochs"),
    "a schedule without training": (["--schedule", "cubic"], "finetune"),
    "a length of its own": (["trainer.max_epochs=9"], "finetune"),
    "a file that is not there": (["--type", "mask", "--file", "none.npz"], "none.npz"),
    "data": (["rows.csv"], "leave it out"),
    "a place that is taken": (["run.dir=parent"], "run.dir"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_mistakes_are_told_and_nothing_is_written(here: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    words, told = REFUSED[name]
    before = sorted(map(str, here.rglob("*")))
    place = [] if any(each.startswith("run.dir") for each in words) else ["run.dir=refused"]
    assert main(["prune", "parent", *words, *place]) == 2
    said = capsys.readouterr().err
    assert told in said and "fix:" in said and "Traceback" not in said
    assert sorted(map(str, here.rglob("*"))) == before


def test_no_run_no_model_and_no_more_to_prune_are_refused(here: Path) -> None:
    with pytest.raises(tw.TrainwrightError):
        tw.prune("nowhere")
    done: Any = tw.prune("parent", "global_l1", amount=0.5, settings=["run.dir=done"])
    with pytest.raises(RequestError, match="prunes nothing more") as caught:
        tw.prune(done.path, "global_l1", amount=0.5)
    assert "0.75" in str(caught.value.fix)
    with pytest.raises(ConfigError):
        tw.prune("parent", "none.py:Method")


def test_rows_of_zeros_are_taken_out_and_the_answers_stay(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["prune", "parent", "--type", "ln_structured", "--dim", "0", "--amount", "0.5", "--names", "combiner", "run.dir=rows"]) == 0
    assert main(["prune", "rows", "--shrink", "run.dir=narrow"]) == 0
    said = capsys.readouterr().out
    assert "parameters became" in said and "width: [8]" in (here / "narrow" / "config.yaml").read_text()
    assert weights("narrow")["combiner.layers.linears.0.weight"].shape[0] == 8
    row = {"sepal length (cm)": 5.0, "sepal width (cm)": 3.0, "petal length (cm)": 1.4, "petal width (cm)": 0.2}
    before, after = (tw.load(each).predict([row])[0] for each in ("rows", "narrow"))
    assert all(abs(before[name] - after[name]) <= 1e-6 for name in before if "probability" in name)


OWN = """
model:
  type: graph
  nodes: [{Linear: [4, 16]}, ReLU, {type: Linear, in_features: 16, out_features: 12}, ReLU, {name: head, type: Linear, args: [12, 3]}]
loss: cross_entropy
metrics: [accuracy]
data: {type: table, path: "builtin:iris", target: target}
trainer: {max_steps: 4}
evaluation: {report: false}
"""


def test_a_graph_of_layers_is_pruned_and_its_nodes_are_smaller(here: Path) -> None:
    (here / "own.yaml").write_text(OWN)
    assert main(["train", "own.yaml", "run.dir=own"]) == 0
    child = tw.prune("own", "ln_structured", amount=0.5, names="model", exclude="*head*", finetune="3 steps", settings=["run.dir=own-rows"])
    smaller = tw.shrink(child.path, settings=["run.dir=own-narrow"])
    assert smaller.results["realised"]["parameters"] == 4 * 8 + 8 + 8 * 6 + 6 + 6 * 3 + 3
    assert "- Linear: [4, 8]" in (smaller.path / "config.yaml").read_text()
    assert smaller.metrics["test"]["target"] == child.metrics["test"]["target"]
    assert abs(smaller.metrics["test"]["loss"] - child.metrics["test"]["loss"]) <= 1e-5
    assert main(["export", "own-rows", "--to", "pt2", "--shrink", "-o", "small/model.pt2"]) == 0
    assert json.loads((here / "small" / "parity.json").read_text())["passed"]
    program = torch.export.load(here / "small" / "model.pt2")
    assert sum(each.numel() for each in program.state_dict.values()) == smaller.results["realised"]["parameters"]
    assert main(["export", "own", "--to", "pt2", "--shrink", "-o", "same/model.pt2"]) == 2 and not (here / "same" / "model.pt2").exists()


def test_what_cannot_be_made_smaller_is_told(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["prune", "parent", "--shrink", "run.dir=refused"]) == 2
    assert "there is nothing to take out" in capsys.readouterr().err
    assert main(["prune", "parent", "--shrink", "--amount", "0.5", "run.dir=refused"]) == 2
    assert "--amount has no effect beside --shrink" in capsys.readouterr().err and not (here / "refused").exists()

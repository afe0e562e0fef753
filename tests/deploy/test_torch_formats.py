"""Formats of torch: written from a run's model, opened in a process without Trainwright, equal to it at other sizes."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import trainwright as tw
from trainwright.api.predictors.kinds import open_place
from trainwright.config.errors import RequestError, RunError
from trainwright.config.part_options import check_options
from trainwright.config.registry import build, parts
from trainwright.config.trust import trusting
from trainwright.deploy.exporters.base import Exporter, Trained
from trainwright.deploy.exporters.flat_program import flatten
from trainwright.deploy.exporters.options import Pt2Options
from trainwright.deploy.exporters.torchscript import save_script
from trainwright.domains.deliverable import Deliverable, Given
from trainwright.domains.place import find_place
from trainwright.domains.predictor import Field
from trainwright.files.tensors import load_tensors

ROWS = 60


def table(seed: int = 0) -> dict[str, Any]:
    random = np.random.default_rng(seed)
    x = random.normal(size=ROWS)
    return {"x": x, "colour": random.choice(["red", "blue"], ROWS), "y": np.where(x > 0, "up", "down")}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """The smallest run of a table."""
    place = tmp_path_factory.mktemp("formats") / "run"
    quick = {"report": False, "baselines": [], "importance": False}
    options = {"trainer": {"max_epochs": 1}, "run": {"device": "cpu"}, "evaluation": quick}
    tw.train(table(), target="y", run_dir=place, **options)
    return Trained(place, open_place(find_place(place)))


def exporter(name: str, **options: Any) -> Exporter:
    made: Exporter = build("exporter", parts("exporter")[name].config(type=name, **options))
    return made


def arrays(trained: Trained, rows: int) -> dict[str, np.ndarray]:
    given = trained.deliverable.read({name: each[:rows] for name, each in table(seed=5).items() if name != "y"})
    return {name: each.numpy() for name, each in given.items()}


def expected(trained: Trained, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    with torch.inference_mode():
        found = trained.deliverable.module({name: torch.from_numpy(each) for name, each in inputs.items()})
    return {name: each.numpy() for name, each in found.items()}


@pytest.fixture(scope="module")
def written(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("written")
    found = {}
    for name in ("pt2", "fx_folder", "torchscript"):
        made = exporter(name)
        found[name] = folder / f"{name}{made.suffix}"
        with trusting(True):
            assert all(each.exists() for each in made.write(trained, found[name]))
    return found


@pytest.mark.parametrize("name", ["pt2", "fx_folder", "torchscript"])
def test_what_was_written_answers_as_the_run_does_at_other_sizes(name: str, trained: Trained, written: dict[str, Path]) -> None:
    answer = exporter(name).open(written[name])
    for rows in (1, 2, 7):
        inputs = arrays(trained, rows)
        tw.testing.assert_close(answer(inputs), expected(trained, inputs), rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", ["pt2", "fx_folder", "torchscript"])
def test_no_place_of_this_machine_is_in_it(name: str, written: dict[str, Path]) -> None:
    place = written[name]
    files = [place] if place.is_file() else [each for each in place.iterdir() if each.is_file()]
    for each in files:
        held = [each.read_bytes()]
        if zipfile.is_zipfile(each):
            with zipfile.ZipFile(each) as archive:
                held = [archive.read(part) for part in archive.namelist()]
        assert not [part for part in held if str(Path(tw.__file__).parent).encode() in part or b"traced.py" in part]


LOADERS = {
    "pt2": "model = torch.export.load(place).module()",
    "torchscript": "model = torch.jit.load(place)",
    "fx_folder": "sys.path.insert(0, str(pathlib.Path(place).parent)); model = importlib.import_module(pathlib.Path(place).name).Model()",
}
PROGRAM = """
import importlib, pathlib, sys, numpy, torch
place, inputs, outputs = sys.argv[1:]
{load}
given = {{name: torch.from_numpy(each) for name, each in numpy.load(inputs).items()}}
with torch.no_grad():
    found = model(given)
assert not [each for each in sys.modules if each.startswith("trainwright")]
numpy.savez(outputs, **{{name: each.numpy() for name, each in found.items()}})
"""


@pytest.mark.parametrize("name", ["fx_folder"])
def test_it_is_loaded_in_a_process_without_trainwright(name: str, trained: Trained, written: dict[str, Path], tmp_path: Path) -> None:
    inputs = arrays(trained, 5)
    np.savez(tmp_path / "in.npz", **inputs)
    program = [sys.executable, "-c", PROGRAM.format(load=LOADERS[name]), written[name], tmp_path / "in.npz", tmp_path / "out.npz"]
    subprocess.run(list(map(str, program)), check=True, cwd=tmp_path, timeout=120)
    tw.testing.assert_close(dict(np.load(tmp_path / "out.npz")), expected(trained, inputs), rtol=0, atol=1e-6)


def test_the_folder_holds_readable_operations_weights_by_their_names_and_the_graph_as_a_table(
    trained: Trained, written: dict[str, Path]
) -> None:
    folder = written["fx_folder"]
    assert sorted(each.name for each in folder.iterdir()) == ["__init__.py", "graph.txt", "state.safetensors"]
    source, state = (folder / "__init__.py").read_text(), load_tensors(folder / "state.safetensors")
    assert "torch.ops.aten.bmm.default(" in source and "pickle" not in source and "torch.load" not in source
    for name, each in trained.deliverable.module.named_parameters():
        assert torch.equal(state[name], each)
    assert "aten.bmm.default" in (folder / "graph.txt").read_text()


def test_an_input_that_does_not_fit_the_folder_is_refused_by_its_name(trained: Trained, written: dict[str, Path]) -> None:
    answer, inputs = exporter("fx_folder").open(written["fx_folder"]), arrays(trained, 3)
    with pytest.raises(ValueError, match=r"the input 'x' is missing; there are \['colour'\]"):
        answer({"colour": inputs["colour"]})
    with pytest.raises(ValueError, match=r"the input 'x' is float64 of \['rows'\], not torch.float32 of \(3,\)"):
        answer(inputs | {"x": inputs["x"].astype(np.float32)})


@pytest.mark.parametrize("name", ["aoti", "torchscript"])
def test_a_format_that_runs_when_it_is_loaded_is_written_by_consent_alone(name: str, trained: Trained, tmp_path: Path) -> None:
    made = exporter(name)
    assert made.executes_on_load
    with pytest.raises(RequestError, match=rf"--to {name}: '{name}' is a format whose files run code.*\n.*\n.*--trust-code"):
        made.write(trained, tmp_path / "model")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["pt2", "torchscript", "fx_folder"])
def test_a_damaged_artifact_is_refused(name: str, tmp_path: Path) -> None:
    place = tmp_path / "model"
    if name == "fx_folder":
        place.mkdir()
    else:
        place.write_bytes(b"PK\x03\x04 cut short")
    with pytest.raises(RunError, match="this program cannot be loaded"):
        exporter(name).open(place)


class Branches(nn.Module):
    def forward(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        x = inputs["x"]
        return {"y": torch.cond(x.sum() > 0, lambda x: x + 1, lambda x: x - 1, (x,))}


@torch.library.custom_op("trainwright_tests::twice", mutates_args=())
def twice(x: Tensor) -> Tensor:
    return x * 2


@twice.register_fake
def _(x: Tensor) -> Tensor:
    return torch.empty_like(x)


class Foreign(nn.Module):
    def forward(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        return {"y": torch.ops.trainwright_tests.twice(inputs["x"])}


@pytest.mark.parametrize(("module", "words"), [(Branches(), "branches"), (Foreign(), "twice.*not torch's own")])
def test_what_a_folder_of_python_cannot_hold_is_refused(module: nn.Module, words: str) -> None:
    program = torch.export.export(module, ({"x": torch.ones(3)},))
    with pytest.raises(RequestError, match=words):
        flatten(program)


@pytest.mark.slow
def test_a_compiled_library_answers_as_the_run_does(trained: Trained, tmp_path: Path) -> None:
    made = exporter("aoti")
    with trusting(True):
        made.write(trained, tmp_path / "model.pt2")
    answer = made.open(tmp_path / "model.pt2")
    for rows in (1, 7):
        inputs = arrays(trained, rows)
        tw.testing.assert_close(answer(inputs), expected(trained, inputs), rtol=0, atol=1e-6)


class Line(Deliverable):
    """One layer, as the smallest model that is traced."""

    def __init__(self) -> None:
        torch.manual_seed(0)
        self.module = OneLayer().eval()
        self.inputs, self.outputs = [Given("x", "x", "float32", ("rows", 2))], [Field("y", "float32", (2,))]

    def example_of(self, sizes: Mapping[str, int]) -> dict[str, Tensor]:
        return {"x": torch.randn(sizes["rows"], 2)}

    def read(self, rows: Any) -> dict[str, Tensor]:
        return dict(rows)

    def columns(self, outputs: dict[str, Tensor]) -> Any:
        return {name: each.numpy() for name, each in outputs.items()}


class OneLayer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc1 = nn.Linear(2, 2)

    def forward(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        return {"y": self.fc1(inputs["x"]).float()}


def test_a_trace_in_half_precision_answers_as_the_model_does_there(tmp_path: Path) -> None:
    line = Line()
    module, x = line.module, {"x": torch.randn(5, 2)}
    with torch.autocast("cpu", torch.bfloat16, cache_enabled=False):
        save_script(line, tmp_path / "model.pt")
        wanted = module(x)["y"].detach()
    answer = exporter("torchscript").open(tmp_path / "model.pt")
    for _ in range(3):
        tw.testing.assert_close(answer({"x": x["x"].numpy()}), {"y": wanted.numpy()}, rtol=0, atol=0)
    apart = float((wanted - module(x)["y"].detach()).abs().max())
    assert 1e-5 < apart < 0.05, "it is another model than in float32, by what bfloat16 rounds"


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lstm, self.head = nn.LSTM(2, 3, batch_first=True), nn.Linear(3, 2)

    def forward(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        return {"y": self.head(self.lstm(inputs["x"])[0][:, 0])}


class Steps(Line):
    """A recurrent layer over an axis of any size, of which only the first step is answered: what is padded changes nothing."""

    def __init__(self, guessed: bool = False) -> None:
        super().__init__()
        self.module = Recurrent().eval()
        self.inputs, self.usual = [Given("x", "x", "float32", ("rows", "x.time", 2))], {"x.time": 7}
        self.guessed = frozenset(self.usual if guessed else ())

    def example_of(self, sizes: Mapping[str, int]) -> dict[str, Tensor]:
        return {"x": torch.randn(sizes["rows"], sizes["x.time"], 2)}


class Holder:
    """A predictor of which nothing but its model is asked."""

    def __init__(self, deliverable: Deliverable) -> None:
        self.deliverable = lambda: deliverable


def test_an_axis_that_torch_fixes_is_refused_or_accepted_and_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    steps, short = Steps(), {"x": torch.randn(4, 5, 2)}
    held: Any = Holder(steps)
    with pytest.raises(RequestError, match=r"axis 'x.time' of 'x' became fixed at 7.*\n.*\n.*--to onnx.*--fixed x.time=SIZE"):
        exporter("pt2").write(Trained(tmp_path, held), tmp_path / "model.pt2")
    assert not list(tmp_path.iterdir())
    made = exporter("fx_folder", fixed="x.time=6")
    made.write(Trained(tmp_path, held), tmp_path / "model")
    assert made.fixed == {"x.time": 6} and "x.time has 6 entries" in caplog.text
    answer, padded = made.open(tmp_path / "model"), made.given(steps, short)
    with torch.no_grad():
        tw.testing.assert_close(answer(padded)["y"], steps.module(short)["y"].numpy())
    with pytest.raises(ValueError, match=r"\['rows', 6, 2\], not torch.float32 of \(4, 5, 2\)"):
        answer({"x": short["x"].numpy()})
    with pytest.raises(RequestError, match="rows longer than 6"):
        made.given(steps, {"x": torch.randn(4, 9, 2)})


def test_axes_that_only_a_trace_can_tell_are_told(tmp_path: Path) -> None:
    held: Any = Holder(Steps(guessed=True))
    made = exporter("pt2")
    made.write(Trained(tmp_path, held), tmp_path / "model.pt2")
    assert made.fixed == {"x.time": 7}


PASSES = """
import torch

def add_one(graph):
    for node in list(graph.graph.nodes):
        if node.target is torch.ops.aten.linear.default:
            with graph.graph.inserting_after(node):
                more = graph.graph.call_function(torch.ops.aten.add.Tensor, (node, 1))
            node.replace_all_uses_with(more)
            more.args = (node, 1)

def pattern(x):
    return torch.ops.aten.add.Tensor(x, 1)

def replacement(x):
    return torch.ops.aten.sub.Tensor(x, -1)
"""


def test_passes_of_ones_own_change_what_is_written(tmp_path: Path) -> None:
    (tmp_path / "passes.py").write_text(PASSES)
    held: Any = Holder(Line())
    path = f"{tmp_path}/passes.py"
    made = exporter("fx_folder", passes=f"{path}:add_one, {path}:pattern={path}:replacement")
    made.write(Trained(tmp_path, held), tmp_path / "model")
    x = torch.randn(5, 2)
    with torch.no_grad():
        wanted = held.deliverable().module({"x": x})["y"].numpy() + 1
    tw.testing.assert_close(made.open(tmp_path / "model")({"x": x.numpy()})["y"], wanted)
    assert "aten.sub.Tensor" in (tmp_path / "model" / "graph.txt").read_text()


def test_a_pass_that_is_nowhere_is_refused_with_the_nearest_name(tmp_path: Path) -> None:
    (tmp_path / "passes.py").write_text(PASSES)
    with pytest.raises(RequestError, match=r"(?s)cannot import .*ad_one.*did you mean 'add_one'"):
        check_options(Pt2Options, "pt2", {"passes": f"{tmp_path}/passes.py:ad_one"}, where="command line")

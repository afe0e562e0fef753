"""`trainwright sample` and `run.sample` make new things with a trained model, from the weights that are asked for."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import trainwright as tw
from trainwright.api.fit import fit
from trainwright.cli.main import main
from trainwright.config.errors import RequestError

SYSTEM = """
import torch
from torch import nn
import trainwright as tw


class Painter(tw.System):
    sample_range = (-1, 1)

    def __init__(self, config=None):
        super().__init__(config)
        self.net = nn.Sequential(nn.Linear(2, 9), nn.Tanh())

    def training_step(self, batch, context):
        return (self.net(torch.randn(len(batch["x"]), 2)) - batch["x"]).square().mean()

    def sample(self, n, generator):
        self.media.save_json("seen.json", {"n": n})
        return self.net(torch.randn(n, 2, generator=generator)).reshape(n, 1, 3, 3)


def rows():
    x = torch.rand(40, 9, generator=torch.Generator().manual_seed(0))
    return {"train": {"x": x[:30]}, "validation": {"x": x[30:]}}
"""
CONFIG = """
system: {type: ./painter.py:Painter}
data: {type: "./painter.py:rows"}
trainer: {max_epochs: 4, batch_size: 10, ema: 0.9, sampling: {every: 1 epoch, n: 4}}
evaluation: {report: false}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("samples")
    (made / "painter.py").write_text(SYSTEM)
    (made / "painter.yaml").write_text(CONFIG)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(made)
        assert main(["train", "painter.yaml", "run.dir=runs/painter"]) == 0
    return made


@pytest.fixture
def there(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("painter.py", "painter.yaml"):
        shutil.copyfile(folder / name, tmp_path / name)
    shutil.copytree(folder / "runs", tmp_path / "runs")
    monkeypatch.chdir(folder)
    return tmp_path


def pixels(folder: Path) -> np.ndarray:
    return np.stack([np.asarray(Image.open(path)) for path in sorted(folder.glob("0*.png"))])


def test_samples_go_each_to_a_file_and_equal_seeds_make_equal_ones(there: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, seed in (("a", "1"), ("b", "1"), ("c", "2")):
        assert main(["sample", "runs/painter", "-n", "5", "--seed", seed, "-o", str(there / name)]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "5 pictures (0000.png, 0001.png, …; all in grid.png); weights of step" in said and "seed 2" in said
    assert sorted(path.name for path in (there / "a").iterdir()) == [*(f"{place:04d}.png" for place in range(5)), "grid.png"]
    assert np.array_equal(pixels(there / "a"), pixels(there / "b")) and not np.array_equal(pixels(there / "a"), pixels(there / "c"))
    made = tw.load("runs/painter").sample(5, seed=1)
    assert np.array_equal(np.rint((made[:, 0].numpy() + 1) * 127.5).astype(np.uint8), pixels(there / "a"))


def test_the_weights_are_those_that_are_asked_for(there: Path) -> None:
    for which in ("", "averaged", "raw", "best", "last", "runs/painter/checkpoints/best"):
        out = there / (which.replace("/", "-") or "kept")
        assert main(["sample", "runs/painter", "-o", str(out), *(["--weights", which] if which else [])]) == 0
    made = {path.name: pixels(path) for path in there.iterdir() if path.is_dir() and path.name != "runs"}
    assert not np.array_equal(made["averaged"], made["raw"])
    assert np.array_equal(made["averaged"], made["last"]) and np.array_equal(made["best"], made["runs-painter-checkpoints-best"])
    assert np.array_equal(made["kept"], made["best"])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["-n", "0"], "0 samples cannot be made"),
        (["--seed", "-1"], "-1 is no seed"),
        (["--weights", "avraged"], "there are no weights 'avraged'\n  fix: did you mean 'averaged'"),
        (["rows.csv"], "'rows.csv' is one argument too many"),
        (["-o", "runs"], "this place is taken"),
        (["-o", "runs/painter/more"], "a run is not written into"),
        (["trainer.max_epochs=3"], "trainer.max_epochs has no effect here"),
    ],
)
def test_what_cannot_be_meant_is_told_and_nothing_written(
    there: Path, words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["sample", "runs/painter", *words]) == 2
    assert said in capsys.readouterr().err and not Path("samples").exists()


def test_a_run_without_averages_says_so(there: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(there)
    assert main(["train", "painter.yaml", "run.dir=runs/raw", "trainer.ema=null", "trainer.max_epochs=1"]) == 0
    assert main(["sample", "runs/raw", "--weights", "averaged"]) == 2
    assert "has no averaged weights" in capsys.readouterr().err


def test_a_table_answers_rows_and_makes_no_samples(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    table = ["train", "builtin:iris", "--target", "target", "evaluation.report=false"]
    assert main([*table, "trainer.max_epochs=1", "run.dir=runs/iris"]) == 0
    assert main(["sample", "runs/iris"]) == 2
    assert "this model makes no samples\n  why: it answers rows\n  fix: trainwright predict RUN DATA" in capsys.readouterr().err
    with pytest.raises(RequestError, match="makes no samples"):
        tw.load("runs/iris").sample(2)
    assert main([*table, "trainer.sampling=5 steps", "run.dir=runs/none"]) == 2
    assert "makes no samples\n  fix: leave it out: this system answers rows" in capsys.readouterr().err and not Path("runs/none").exists()


def test_a_run_of_fit_samples_once_it_is_given_its_system_again(there: Path) -> None:
    import importlib.util

    spec = importlib.util.spec_from_file_location("painter", "painter.py")
    module = importlib.util.module_from_spec(spec)  # type: ignore[arg-type]
    spec.loader.exec_module(module)  # type: ignore[union-attr]
    system = module.Painter()
    fit(system, module.rows()["train"], max_steps=5, run_dir=str(there / "fitted"), console=False)
    made = tw.load(there / "fitted", model=module.Painter()).sample(3, seed=4)
    again = tw.load(there / "fitted", model=system).sample(3, seed=4)
    assert made.shape == (3, 1, 3, 3) and torch.equal(made, again)
    with pytest.raises(RequestError, match="0 samples cannot be made"):
        tw.load(there / "fitted", model=system).sample(0)

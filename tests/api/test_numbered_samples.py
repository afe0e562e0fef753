"""Samples that each follow from (seed, number): options of their kind are flags and keywords, and processes change no bit of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import trainwright as tw
from trainwright.checkpoint.pointers import follow_pointer
from trainwright.cli.main import main
from trainwright.config import domains
from trainwright.config.errors import RequestError
from trainwright.domains.chosen_weights import mix_averages
from trainwright.weights.averages import read_sum
from trainwright.weights.sources import open_checkpoint

DECLARATION = """
from typing import Literal
from pydantic import Field
from trainwright.domains import Domain, Part, PartConfig
from trainwright.config.domain import SystemKind

class PaintOptions(PartConfig):
    type: str = "painter"

class HowOptions(PartConfig):
    type: str = "painter"
    steps: int = Field(default=4, ge=1)
    '''Steps of the brush.'''
    brush: Literal["round", "flat"] = "round"
    '''Its form.'''
    class_: str | int | None = None
    '''What is painted.'''

DOMAIN = Domain(
    "painting", "Paintings.",
    {"system": {"painter": Part("painting.system:Painter", PaintOptions, "paints")}},
    systems={"painter": SystemKind(
        "trainwright.api.own.prepared:PreparedSystem", "painting.system:open_painter", sampling="painting:HowOptions")},
)
"""
SYSTEM = """
import torch
from torch import nn
import trainwright as tw
from trainwright.api.predictors.system import SystemPredictor, weights_in
from trainwright.config.errors import RequestError
from trainwright.domains.sampling import Sampling
from trainwright.systems.run_config import read_config

def rows():
    x = torch.rand(40, 9, generator=torch.Generator().manual_seed(0))
    return {"train": {"x": x[:30]}, "validation": {"x": x[30:]}}

class Painter(tw.System):
    def __init__(self, config=None):
        super().__init__()
        self.net = nn.Linear(9, 9)

    def training_step(self, batch, context):
        return (self.net(torch.randn_like(batch["x"])) - batch["x"]).square().mean()

class Paintings(Sampling):
    shape = (1, 3, 3)

    def __init__(self, net, options, n, seed):
        self.net, self.options, self.n, self.seed, self.calls = net, options, n, seed, 0

    def draw(self, first, count, watch=None):
        keys = [torch.Generator().manual_seed(1000 * self.seed + first + k) for k in range(count)]
        x = torch.stack([torch.randn(9, generator=key) for key in keys])
        self.calls = 0
        with torch.no_grad():
            for i in range(self.options.steps):
                denoised = self.net(x).sigmoid()
                self.calls += 1
                if watch is not None:
                    watch({"x": x.view(-1, 1, 3, 3), "i": i, "sigma": 1.0, "denoised": denoised.view(-1, 1, 3, 3)})
                x = (x + denoised) / 2
        return x.sigmoid().view(-1, 1, 3, 3)

    def facts(self):
        return {"brush": self.options.brush, "steps": self.options.steps, "calls": self.calls}

    def labels(self):
        return [] if self.options.class_ is None else [str(self.options.class_)] * self.n

class PainterPredictor(SystemPredictor):
    def sampling(self, options, n, seed=0):
        if options.class_ == 99:
            raise RequestError("there is no class 99", where="class")
        return Paintings(self._ready().net, options, n, seed)

def open_painter(place, settings=(), *, model=None, loss=None):
    return PainterPredictor(read_config(place.config, list(settings)), weights_in(place), place=place, received=place.received)
"""
TRAIN = [
    "train",
    "system=painter",
    "evaluation.report=false",
    "data.type=./painting/system.py:rows",
    "trainer.max_epochs=4",
    "trainer.batch_size=10",
    "trainer.ema={decay: [0.9, 0.5], sigma_rel: [0.05, 0.1]}",
    "trainer.checkpoint.keep_every=1 epoch",
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    made = tmp_path_factory.mktemp("numbered")
    (made / "painting").mkdir()
    (made / "painting" / "__init__.py").write_text(DECLARATION)
    (made / "painting" / "system.py").write_text(SYSTEM)
    info = made / "painting-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: painting\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[trainwright.domains]\npainting = painting:DOMAIN\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(made))
        patch.chdir(made)
        domains.forget()
        assert main([*TRAIN, "run.dir=runs/painter"]) == 0
        yield made
    domains.forget()


def arrays(path: Path) -> dict[str, np.ndarray]:
    with np.load(path, allow_pickle=False) as found:
        return dict(found)


def test_options_are_flags_and_keywords_and_are_told(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flags = ["--steps", "3", "--brush", "flat", "--class", "4", "--seed", "2"]
    assert main(["sample", "runs/painter", "-n", "5", *flags, "-o", str(tmp_path / "x.npz")]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "x.npz: 5 pictures; weights of step 6, brush flat, 3 steps, 3 calls of the denoiser, seed 2" in said
    found = arrays(tmp_path / "x.npz")
    made = tw.load("runs/painter").sample(5, seed=2, steps=np.int64(3), brush="flat", class_=4)
    assert np.array_equal(found["samples"], made.numpy()) and list(found["labels"]) == ["4"] * 5
    seen: list[tuple[int, int]] = []
    again = tw.load("runs/painter").sample(5, seed=2, steps=3, batch_size=2, callback=lambda told: seen.append((told["first"], told["i"])))
    assert torch.allclose(made, again, atol=1e-6) and seen == [(first, i) for first in (0, 2, 4) for i in range(3)]


def test_a_name_that_ends_as_a_file_is_one(folder: Path, tmp_path: Path) -> None:
    for name in ("grid.png", "way.gif", "all"):
        assert main(["sample", "runs/painter", "-n", "4", "--batch-size", "3", "-o", str(tmp_path / name)]) == 0
    grid = np.asarray(Image.open(tmp_path / "grid.png"))
    assert np.array_equal(grid, np.asarray(Image.open(tmp_path / "all" / "grid.png"))) and grid.shape == (128, 128)
    told = json.loads((tmp_path / "all" / "samples.json").read_text())
    assert told == {"brush": "round", "steps": 4, "calls": 4, "seed": 0}
    with Image.open(tmp_path / "way.gif") as way:
        assert way.n_frames == 5 and way.size == (128, 128)  # type: ignore[attr-defined]
        way.seek(4)
        assert np.abs(np.asarray(way.convert("L")).astype(int) - grid).max() <= 1, "it ends with the samples"
    assert sorted(each.name for each in tmp_path.iterdir()) == ["all", "grid.png", "way.gif"]


def test_what_is_becoming_is_shown_meanwhile(folder: Path, tmp_path: Path) -> None:
    preview = tmp_path / "now.png"
    assert main(["sample", "runs/painter", "-n", "4", "-o", str(tmp_path / "grid.png"), "--preview", str(preview)]) == 0
    assert np.asarray(Image.open(preview)).shape == (128, 128)


def test_one_of_several_averages_is_chosen(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = tw.load("runs/painter")
    made = {which: run.sample(4, weights=which) for which in ("averaged", "ema=0.9", "ema=0.5", "raw")}
    assert torch.equal(made["averaged"], made["ema=0.9"])
    assert not torch.equal(made["ema=0.5"], made["ema=0.9"]) and not torch.equal(made["ema=0.5"], made["raw"])
    assert run.sample(4).shape == (4, 1, 3, 3)
    assert main(["sample", "runs/painter", "--weights", "ema=0.99", "-o", "never.npz"]) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert (
        "this run has no average 'ema=0.99' why: it kept ema=0.9, ema=0.5, sigma_rel=0.05, sigma_rel=0.1 fix: did you mean 'ema=0.9'"
        in said
    )


def test_an_average_of_any_width_is_made_after_training(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = tw.load("runs/painter")
    kept = {}
    for width in (0.05, 0.1):
        kept[width] = run.sample(4, weights=f"sigma_rel={width}")
    between = run.sample(4, weights="sigma_rel=0.07")
    low, high = torch.minimum(kept[0.05], kept[0.1]).mean(), torch.maximum(kept[0.05], kept[0.1]).mean()
    assert not torch.equal(kept[0.05], kept[0.1])
    assert low < between.mean() < high
    for text, said in (("sigma_rel=wide", "names no width"), ("sigma_rel=0.5", "impossible")):
        assert main(["sample", "runs/painter", "--weights", text, "-o", "never.npz"]) == 2
        assert said in " ".join(capsys.readouterr().err.split())
    assert main(["sample", "runs/painter", "-n", "1", "--weights", "sigma_rel=0.07", "-o", "made.npz"]) == 0
    assert "made of 8 in 4 checkpoints" in " ".join(capsys.readouterr().err.split())


def test_an_average_of_a_width_is_the_one_that_was_kept(folder: Path) -> None:
    net = nn.Linear(9, 9)
    system = nn.ModuleDict({"net": net})
    last = Path("runs/painter/checkpoints/last")
    mixed = mix_averages("sigma_rel=0.1", last.parent, every=1)
    read = read_sum(system, str(last), mixed.terms, mixed.note)
    stored = open_checkpoint(follow_pointer(last)).tensors("averages.safetensors")
    torch.testing.assert_close(read.tensors["net.weight"], stored["sigma_rel_0.1/net.weight"])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--steps", "0"], "--steps: 0 is not at least 1"),
        (["--brush", "rond"], "did you mean 'round'"),
        (["--class", "99"], "there is no class 99"),
        (["--batch-size", "0"], "0 samples make no batch"),
        (["--stepps", "3"], "did you mean --steps"),
        (["--weights", "ema=often"], "'ema=often' names no decay"),
        (["-o", "runs/painter/x.npz"], "a run is not written into"),
        (["-o", "nowhere/x.png"], "there is no such folder"),
    ],
)
def test_what_cannot_be_meant_is_told_and_nothing_written(
    folder: Path, words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["sample", "runs/painter", *words]) == 2
    assert said in capsys.readouterr().err and not Path("samples").exists()


def test_keywords_are_checked_as_flags_are(folder: Path) -> None:
    run = tw.load("runs/painter")
    with pytest.raises(RequestError, match="there is no option 'stepps'"):
        run.sample(2, stepps=3)
    with pytest.raises(RequestError, match="steps: 0 is not at least 1"):
        run.sample(2, steps=0)
    with pytest.raises(RequestError, match="0 samples make no batch"):
        run.sample(2, batch_size=0)

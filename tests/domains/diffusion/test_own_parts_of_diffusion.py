"""Parts of one's own in a diffusion model, and options that cannot go together, as the command line has them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from trainwright.cli.main import main

MINE = """
import torch
from torch import nn


class Net(nn.Module):
    takes = "c_noise"

    def __init__(self, shape, width: int = 16):
        super().__init__()
        self.into, self.out = nn.Linear(shape.numbers + 1, width), nn.Linear(width, shape.numbers)

    def forward(self, x, c_noise, **conditions):
        assert c_noise.max() < 5  # a quarter of ln sigma, and never sigma
        return self.out(self.into(torch.cat([x, c_noise[:, None]], 1)).relu())


class Untold(Net):
    def forward(self, x, c_noise):
        return super().forward(x, c_noise)


class Wide(Net):
    def forward(self, x, c_noise, **conditions):
        found = super().forward(x, c_noise)
        return torch.cat([found, found], 1)


class Narrow(Net):
    def forward(self, x, c_noise, **conditions):
        return super().forward(x[:, :1], c_noise)


def straight(denoiser, x, sigmas, extra_args=None, callback=None, disable=None, *, stretch: float = 1.0, noise_sampler=None):
    for sigma, after in zip(sigmas[:-1], sigmas[1:]):
        d = (x - denoiser(x, sigma.expand(len(x)), **(extra_args or {}))) / sigma
        x = x + stretch * d * (after - sigma)
    return x


def even(n, sigma_min, sigma_max, device="cpu", dtype=torch.float64):
    return torch.cat([torch.linspace(sigma_max, sigma_min, n, dtype=dtype, device=device), torch.zeros(1, dtype=dtype, device=device)])


class Flat:
    def __init__(self, sigma_data, low: float = 0.1):
        self.low = low * sigma_data

    def quantile(self, u):
        return self.low + u


def root(sigma, power: float = 0.5):
    return sigma**-power
"""
BASE = [
    "train",
    "rings.csv",
    "system=diffusion",
    "system.of=[x,y]",
    "system.condition=[]",
    "evaluation.report=false",
    "trainer.max_steps=2",
]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(MINE)
    points = np.random.default_rng(0).normal(size=(80, 2))
    (tmp_path / "rings.csv").write_text("x,y\n" + "\n".join(f"{a:.4f},{b:.4f}" for a, b in points))
    return tmp_path


def test_every_kind_of_part_may_be_of_ones_own(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own = [
        "system.model={type: mine.py:Net, width: 8}",
        "system.sampler={type: mine.py:straight, stretch: 0.9}",
        "system.sigmas=mine.py:even",
        "system.density={type: mine.py:Flat, low: 0.2}",
        "system.weighting={type: mine.py:root, power: 1.0}",
        "system.denoiser=flow",
        "trainer.sampling={every: 1 steps, n: 2}",
    ]
    assert main([*BASE, *own, "run.dir=made"]) == 0
    assert any(each.is_file() for each in (folder / "made/media/samples").rglob("*"))
    assert main(["sample", "made", "-n", "3", "-o", "made.npz"]) == 0
    with np.load("made.npz", allow_pickle=False) as found:
        assert found["samples"].shape == (3, 2)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["system.denoiser=discrete", "system.sigma_max=500"], "sigma 500 (number 1) is outside the table of the model"),
        (["system.denoiser=discrete", "system.density=log_normal"], "the table of the denoiser has others"),
        (["system.denoiser={type: edm, scales: 4}"], "scales other than 1 have no meaning for vectors"),
        (["system.denoiser={type: edm, learned_variance: true}", "system.weighting=snr"], "a weighting cannot go with learned_variance"),
        (["system.augment=0.1"], "augment is for pictures alone"),
        (["system.density=cosine_interpolated"], "cosine_interpolated has no image_d"),
        (["system.density={type: log_uniform, min_value: 3, max_value: 1}"], "min_value 3 is not below max_value 1"),
        (["system.denoiser={type: diffusers, scheduler: nowhere}"], "the scheduler 'nowhere' cannot be read"),
        (["system.weighting=soft_min_srn"], "did you mean 'soft_min_snr'"),
        (
            ["system.model=mine.py:Untold", "system.of=x", "system.condition=y"],
            "Untold cannot be called with (x, sigma, mapping_cond=…) why: got an unexpected keyword argument 'mapping_cond' fix: let it be",
        ),
        (
            ["system.model=mine.py:Wide"],
            "system.model: the network gave the shape (2, 4) for samples (2, 2) fix: let it give a tensor like",
        ),
        (["system.model=mine.py:Narrow"], "the network Narrow fails on samples of the shape (2, 2) why: RuntimeError: mat1 and mat2"),
        (["system.sigma_min=5", "system.sigma_max=1"], "larger to the smaller fix: sigma_min=1 sigma_max=5"),
    ],
    ids=["ends", "density", "scales", "variance", "augment", "side", "range", "scheduler", "name", "untold", "wide", "narrow", "swapped"],
)
def test_what_cannot_go_together_is_refused_before_anything_is_written(
    folder: Path, capsys: pytest.CaptureFixture[str], options: list[str], said: str
) -> None:
    assert main([*BASE, *options, "run.dir=made"]) == 2
    assert said in " ".join(capsys.readouterr().err.split())
    assert not (folder / "made").exists()

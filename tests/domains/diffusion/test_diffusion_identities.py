"""What must not change what a diffusion model learns, how it is measured, and what it makes. Workers, kills and ranks: the golden runs."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import trainwright as tw
from trainwright.api.evaluate import evaluate

MLP = {"type": "mlp", "width": 16, "depth": 1, "condition_width": 8}
SYSTEM = {"type": "diffusion", "of": ["x", "y"], "condition": "side", "condition_dropout": 0.25, "model": MLP, "steps": 3}
SYSTEM["sampler"] = "dpmpp_2m_sde"  # with noise at every step
TRAINER = {"max_steps": 6, "batch_size": 16, "evaluate_every": "3 steps", "ema": None, "trackers": ["csv"]}


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    random = np.random.default_rng(3)
    rows = [f"{x:.4f},{y:.4f},{'left' if x < 0 else 'right'}" for x, y in random.normal(size=(90, 2))]
    path = tmp_path_factory.mktemp("identities") / "points.csv"
    path.write_text("\n".join(["x,y,side", *rows, ""]))
    return path


@pytest.fixture(scope="module")
def usual(table: Path) -> tw.Run:
    """The run that the others are compared with."""
    return trained(table, table.parent / "usual")


def trained(table: Path, run: Path, seed: int = 0, **trainer: Any) -> tw.Run:
    """A run of six steps, with some settings of the trainer changed."""
    given = {"every": "3 steps", "n": 4}
    return tw.train(
        config={"system": SYSTEM, "data": {"source": str(table)}, "run": {"seed": seed}},
        trainer={**TRAINER, "sampling": given, **trainer},
        run_dir=run,
    )


def weights(run: Path) -> dict[str, torch.Tensor]:
    return load_file(run / "model" / "model.safetensors")


def losses(run: Path) -> list[float]:
    with (run / "metrics.csv").open() as file:
        return [float(row["validation/loss"]) for row in csv.DictReader(file) if row["validation/loss"]]


def test_micro_batches_learn_as_one_batch(table: Path, usual: tw.Run, tmp_path: Path) -> None:
    """The same noise for every row; sums of gradients in another order."""
    trained(table, tmp_path / "pieces", micro_batch_size=6)
    whole, pieces = weights(usual.path), weights(tmp_path / "pieces")
    assert all(torch.allclose(pieces[name], each, rtol=1e-4, atol=1e-6) for name, each in whole.items())
    assert losses(tmp_path / "pieces") == pytest.approx(losses(usual.path), rel=1e-5)


def test_another_seed_learns_otherwise(table: Path, usual: tw.Run, tmp_path: Path) -> None:
    """So that the others say something."""
    trained(table, tmp_path / "run", seed=1, sampling=None)
    assert losses(tmp_path / "run") != losses(usual.path)


def test_the_loss_of_held_out_rows_does_not_follow_from_how_many_are_measured_at_once(table: Path, usual: tw.Run, tmp_path: Path) -> None:
    trained(table, tmp_path / "fives", evaluation_batch_size=5)
    assert losses(tmp_path / "fives") == pytest.approx(losses(usual.path), rel=1e-6)
    again = evaluate(usual.path, split="validation", settings=["trainer.evaluation_batch_size=3"])
    assert again["metrics"][""]["loss"] == pytest.approx(usual.results["metrics"]["validation"][""]["loss"], rel=1e-6)


def test_samples_while_it_trains_change_nothing_of_the_run(table: Path, usual: tw.Run, tmp_path: Path) -> None:
    trained(table, tmp_path / "without", sampling=None)
    first, second = weights(usual.path), weights(tmp_path / "without")
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert losses(usual.path) == losses(tmp_path / "without")


@pytest.mark.parametrize("sampler", [None, "dpmpp_2m", "euler_ancestral"])
def test_a_sample_follows_from_its_seed_and_number_alone(usual: tw.Run, sampler: str | None) -> None:
    """With the sampler of the configuration too."""
    told = {} if sampler is None else {"sampler": sampler}
    many = usual.sample(7, seed=4, **told)
    assert torch.allclose(usual.sample(3, seed=4, **told), many[:3], atol=1e-6)
    assert torch.allclose(usual.sample(7, seed=4, batch_size=2, **told), many, atol=1e-6)
    assert not torch.allclose(usual.sample(7, seed=5, **told), many)


def test_demos_begin_from_the_same_noise(table: Path, tmp_path: Path) -> None:
    """A model that learns nothing makes the same samples each time."""
    trained(table, tmp_path / "run", optimizer={"type": "sgd", "learning_rate": 1e-30})
    first, second = (np.load(each) for each in sorted((tmp_path / "run/media/samples").iterdir()))
    assert np.array_equal(first, second) and first.shape == (4, 2)


def test_a_demo_does_not_follow_from_those_before_it(table: Path, usual: tw.Run, tmp_path: Path) -> None:
    trained(table, tmp_path / "rarer", sampling={"every": "6 steps", "n": 4})
    (only,) = (tmp_path / "rarer/media/samples").iterdir()
    assert only.name.startswith("step-00000006")
    assert np.array_equal(np.load(only), np.load(usual.path / "media/samples" / only.name))

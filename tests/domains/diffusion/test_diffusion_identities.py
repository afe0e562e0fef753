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
TRAINER = {"max_steps": 6, "batch_size": 16, "evaluate_every": "3 steps", "ema": None, "trackers": ["csv"]}


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    random = np.random.default_rng(3)
    rows = [f"{x:.4f},{y:.4f},{'left' if x < 0 else 'right'}" for x, y in random.normal(size=(90, 2))]
    path = tmp_path_factory.mktemp("identities") / "points.csv"
    path.write_text("\n".join(["x,y,side", *rows, ""]))
    return path


def trained(table: Path, run: Path, system: dict[str, Any] | None = None, **trainer: Any) -> tw.Run:
    """A run of six steps, with some settings of the trainer changed."""
    given = {"every": "3 steps", "n": 4}
    return tw.train(
        config={"system": {**SYSTEM, **(system or {})}, "data": {"source": str(table)}},
        trainer={**TRAINER, "sampling": given, **trainer},
        run_dir=run,
    )


def weights(run: Path) -> dict[str, torch.Tensor]:
    return load_file(run / "model" / "model.safetensors")


def losses(run: Path) -> list[float]:
    with (run / "metrics.csv").open() as file:
        return [float(row["validation/loss"]) for row in csv.DictReader(file) if row["validation/loss"]]


def test_micro_batches_learn_as_one_batch(table: Path, tmp_path: Path) -> None:
    """The same noise for every row; sums of gradients in another order."""
    trained(table, tmp_path / "whole")
    trained(table, tmp_path / "pieces", micro_batch_size=6)
    whole, pieces = weights(tmp_path / "whole"), weights(tmp_path / "pieces")
    assert all(torch.allclose(pieces[name], each, rtol=1e-4, atol=1e-6) for name, each in whole.items())
    assert losses(tmp_path / "pieces") == pytest.approx(losses(tmp_path / "whole"), rel=1e-5)


def test_another_seed_learns_otherwise(table: Path, tmp_path: Path) -> None:
    """So that the others say something."""
    for seed in (1, 2):
        tw.train(
            config={"system": SYSTEM, "data": {"source": str(table)}, "run": {"seed": seed}},
            trainer={**TRAINER, "sampling": None},
            run_dir=tmp_path / str(seed),
        )
    assert losses(tmp_path / "1") != losses(tmp_path / "2")


def test_the_loss_of_held_out_rows_does_not_follow_from_how_many_are_measured_at_once(table: Path, tmp_path: Path) -> None:
    run = trained(table, tmp_path / "run")
    trained(table, tmp_path / "fives", evaluation_batch_size=5)
    assert losses(tmp_path / "fives") == pytest.approx(losses(tmp_path / "run"), rel=1e-6)
    again = evaluate(run.path, split="validation", settings=["trainer.evaluation_batch_size=3"])
    assert again["metrics"][""]["loss"] == pytest.approx(run.results["metrics"]["validation"][""]["loss"], rel=1e-6)


def test_samples_while_it_trains_change_nothing_of_the_run(table: Path, tmp_path: Path) -> None:
    trained(table, tmp_path / "with")
    trained(table, tmp_path / "without", sampling=None)
    first, second = weights(tmp_path / "with"), weights(tmp_path / "without")
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert losses(tmp_path / "with") == losses(tmp_path / "without")


@pytest.mark.parametrize("sampler", ["dpmpp_2m", "euler_ancestral", "dpmpp_2m_sde"])
def test_a_sample_follows_from_its_seed_and_number_alone(table: Path, tmp_path: Path, sampler: str) -> None:
    run = trained(table, tmp_path / "run", {"sampler": sampler}, max_steps=2, sampling=None)
    many = run.sample(7, seed=4)
    assert torch.allclose(run.sample(3, seed=4), many[:3], atol=1e-6)
    assert torch.allclose(run.sample(7, seed=4, batch_size=2), many, atol=1e-6)
    assert not torch.allclose(run.sample(7, seed=5), many)


def test_demos_begin_from_the_same_noise(table: Path, tmp_path: Path) -> None:
    """A model that learns nothing makes the same samples each time."""
    trained(table, tmp_path / "run", optimizer={"type": "sgd", "learning_rate": 1e-30})
    first, second = (np.load(each) for each in sorted((tmp_path / "run/media/samples").iterdir()))
    assert np.array_equal(first, second) and first.shape == (4, 2)

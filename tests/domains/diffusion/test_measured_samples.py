"""Samples of a diffusion model are measured while it trains and afterwards, and the gradient noise of its steps is."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import trainwright as tw
from commands import trainwright_command
from trainwright.config.errors import TrainwrightError

TRAINED: dict[str, Any] = {"max_steps": 8, "batch_size": 64, "accumulation": 2, "evaluate_every": "4 steps", "log_every": "4 steps"}
TRAINED |= {"callbacks": ["gradient_noise"], "trackers": ["csv"], "early_stopping": None, "ema": None, "monitor": "kid"}
ASKED = {"metrics": ["fid", "kid", "prdc"], "n": 40, "batch_size": 16}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A model of two columns of different units, of which a third says the class."""
    folder = tmp_path_factory.mktemp("measured")
    draw = np.random.default_rng(0)
    kind = np.repeat(["a", "b"], 150)
    large = draw.normal(np.where(kind == "a", 900, 1100), 10)
    small = draw.normal(np.where(kind == "a", -0.1, 0.1), 0.01)
    data = folder / "rows.csv"
    np.savetxt(data, np.stack([large, small, kind], 1), "%s", ",", header="large,small,kind", comments="")
    system = {"type": "diffusion", "of": ["large", "small"], "condition": ["kind"], "steps": 4}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRAINWRIGHT_CACHE", str(folder / "cache"))
        tw.train(str(data), system=system, trainer={**TRAINED, "sample_metrics": ASKED}, run={"dir": str(folder / "run")})
        yield folder / "run"


def test_the_numbers_stand_in_the_history_and_choose_the_checkpoint(run: Path) -> None:
    results = json.loads((run / "results.json").read_text())
    assert results["best"]["metric"] == "kid"
    assert {"fid", "fid.halves", "kid", "prdc.recall"} <= set(results["metrics"]["validation"][""])
    told = json.loads((run / "sample_metrics.json").read_text())
    assert told["validation"]["features"].startswith("classifier (mlp of 2 classes")
    assert told["test"]["features"].endswith("64 numbers of rows 2")


def test_the_gradient_noise_of_its_steps_is_measured(run: Path) -> None:
    header, *rows = [line.split(",") for line in (run / "metrics.csv").read_text().splitlines()]
    scale = [float(row[header.index("gradient_noise/scale")] or "nan") for row in rows]
    variance = [float(row[header.index("gradient_noise/variance")]) for row in rows]
    assert len(scale) == 2 and all(each > 0 or math.isnan(each) for each in scale) and min(variance) > 0


def test_evaluate_gives_the_numbers_of_training(run: Path) -> None:
    words = ["evaluate", str(run), "--metrics", "fid,kid,prdc", "-n", "40", "--json", "trainer.sample_metrics.batch_size=7"]
    found = json.loads(trainwright_command(*words, TRAINWRIGHT_CACHE=str(run.parent / "cache")).stdout)
    told = json.loads((run / "results.json").read_text())["metrics"]["test"][""]
    assert told.pop("kid.sd") is None  # one estimate of all rows has none
    for name, value in told.items():
        assert found["metrics"][""][name] == pytest.approx(value, rel=1e-4, abs=1e-5), name
    assert found["samples"].startswith("40 of seed 0, features: classifier")


def test_the_sampler_of_a_measurement_may_be_another_and_the_network_may_not(run: Path) -> None:
    words = ["evaluate", str(run), "--metrics", "fid", "-n", "40", "--features", "pixels", "--json"]
    usual, other = (json.loads(trainwright_command(*words, *more).stdout)["metrics"][""]["fid"] for more in ((), ("system.steps=1",)))
    assert usual != other
    with pytest.raises(TrainwrightError, match=r"system\.condition_dropout of a trained model cannot be another"):
        tw.load_predictor(run, settings=["system.condition_dropout=0.5"])


def test_vectors_are_measured_in_the_units_of_their_data(run: Path) -> None:
    predictor = tw.load_predictor(run)
    rows = predictor.own_rows("test")
    real = predictor.artifact.system.as_samples(rows.take(torch.arange(len(rows))))
    assert 850 < float(real[:, 0].min()) < float(real[:, 0].max()) < 1150 and float(real[:, 1].abs().max()) < 0.2

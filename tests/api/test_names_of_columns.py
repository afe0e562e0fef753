"""A column may be called what the program itself calls something: it trains, and is measured, predicted and reported under its name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from small_tables import QUICK
from torch import nn

import trainwright as tw
from trainwright.runs.results import loss_in

INTERNAL = ["loss", "step", "train", "validation", "test", "metrics", "target", "output", "penalty", "type", "value", "epoch"]


def table(target: str, others: list[str], kind: str, rows: int = 60) -> dict[str, np.ndarray]:
    random = np.random.default_rng(0)
    columns = {name: random.normal(size=rows) for name in others}
    truth = columns[others[0]] + random.normal(0, 0.3, rows)
    return {**columns, target: truth if kind == "number" else np.where(truth > 0, "yes", "no")}


def trained(columns: dict[str, np.ndarray], targets: list[str], folder: Path, **model: Any) -> tw.Run:
    options = {**QUICK, "trainer": {**QUICK["trainer"], "max_epochs": None, "max_steps": 2}, **model}
    return tw.train(columns, target=targets, run_dir=folder, **options)


@pytest.mark.parametrize("name", INTERNAL)
def test_a_target_may_have_the_name_of_something_internal(name: str, tmp_path: Path) -> None:
    others = [each for each in INTERNAL if each != name][:3]
    columns = table(name, others, "binary" if len(name) % 2 else "number")
    run = trained(columns, [name], tmp_path / "run")
    for split in ("train", "validation", "test"):
        assert set(run.metrics[split][name]) - {"loss"}
        assert isinstance(loss_in(run.metrics[split]), float)
    assert name in run.predict({each: columns[each] for each in others}).column_names[0]
    assert run.report().is_file()


def test_the_loss_of_all_targets_and_the_metrics_of_a_target_called_loss_are_both_in_the_results(tmp_path: Path) -> None:
    columns = {**table("loss", ["a", "b"], "number"), "penalty": np.random.default_rng(1).normal(size=60)}
    run = trained(columns, ["loss", "penalty"], tmp_path / "run", model={"combiner": {"type": "tabnet"}})
    found = run.metrics["test"]
    assert {"rmse", "loss"} <= set(found["loss"])
    assert "rmse" in found["penalty"]
    page = run.report().read_text()
    assert '"Metrics, loss"' in page and '"Metrics, penalty"' in page
    assert "Loss: train" in page
    header = (run.path / "metrics.csv").read_text().splitlines()[0].split(",")
    assert {"train/loss/penalty", "train/loss/combiner penalty"} <= set(header)


def test_metrics_of_a_target_whose_name_begins_as_another_are_its_own(tmp_path: Path) -> None:
    columns = {**table("a", ["x"], "number"), "a.b": np.random.default_rng(1).normal(size=60)}
    run = trained(columns, ["a", "a.b"], tmp_path / "run")
    assert set(run.metrics["train"]["a"]) == set(run.metrics["train"]["a.b"])


@pytest.mark.parametrize("name", ["loss", "output", "total"])
def test_a_model_of_ones_own_may_have_such_a_target_too(name: str, tmp_path: Path) -> None:
    x = torch.randn(40, 4, generator=torch.Generator().manual_seed(0))
    data = {"x": x, name: (x[:, 0] > 0).long()}
    options: dict[str, Any] = {"max_steps": 2, "batch_size": 20, "run_dir": tmp_path / "run", "console": False}
    result = tw.fit(nn.Linear(4, 2), data, validation=data, target=name, **options)
    assert {"loss", "accuracy"} <= set(result.metrics["validation"])

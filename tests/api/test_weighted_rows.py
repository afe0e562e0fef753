"""A column of weights in a whole run: loss, metrics, baselines, micro-batches, prediction without it, and what it may not hold."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from small_tables import QUICK, write_csv
from torch import Tensor

import trainwright as tw
from trainwright.config.errors import ConfigError, DataError, RequestError
from trainwright.features.row_weights import in_mean_of
from trainwright.systems.run_config import check_config, compose_config


def rows(count: int = 200) -> dict[str, Any]:
    random = np.random.default_rng(2)
    x = random.normal(size=count)
    group = random.integers(0, 2, count)  # the two groups have opposite signs, and one weighs a hundred times as much
    y = np.where(group == 1, x, -x) + random.normal(0, 0.1, count)
    return {"x": x, "y": y, "w": np.where(group == 1, 100.0, 1.0)}


def weighed(folder: Path, name: str, table: Any, **more: Any) -> tw.Run:
    options = {**QUICK, "evaluation": {**QUICK["evaluation"], "baselines": ["constant", "linear", "boosting"]}}
    options["trainer"] = {**options["trainer"], "max_epochs": 25, "progress": "none", **more.pop("trainer", {})}
    return tw.train(table, target="y", run_dir=folder / name, **{**options, "data": {"weights": "w", **more.pop("data", {})}, **more})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("weights")


@pytest.fixture(scope="module")
def run(folder: Path) -> tw.Run:
    return weighed(folder, "weighed", write_csv(folder / "t.csv", rows()))


def weights_of(run: tw.Run) -> dict[str, Tensor]:
    found: dict[str, Tensor] = run.model.system.state_dict()
    return found


def test_the_heavy_rows_decide_in_loss_metrics_and_baselines(run: tw.Run) -> None:
    assert run.predictor.inputs[0].name == "x" and len(run.predictor.inputs) == 1
    up = run.predict({"x": np.array([-1.0, 1.0])})["y_prediction"].to_pylist()
    assert up[1] - up[0] > 0.7  # alike they would be at 0
    told = next(each for each in run.directory.read_json("data.json")["columns"] if each["name"] == "w")
    assert (told["role"], told["why"]) == ("ignored", "says how much rows count")
    assert run.metrics["test"]["y"]["r2"] > 0.3 and run.results["baselines"]["linear"]["test"]["y"]["r2"] > 0.3


def test_metrics_are_weighted_and_a_table_without_the_column_is_measured_alike(run: tw.Run) -> None:
    data = rows()
    predicted = run.predict(data)["y_prediction"].to_numpy()
    errors = np.abs(predicted - data["y"])
    assert run.evaluate(data)["y"]["mae"] == pytest.approx(np.average(errors, weights=data["w"]), rel=1e-5)
    assert run.evaluate({"x": data["x"], "y": data["y"]})["y"]["mae"] == pytest.approx(errors.mean(), rel=1e-5)
    np.testing.assert_array_equal(run.predict({"x": data["x"]})["y_prediction"].to_numpy(), predicted)
    assert run.predictor.measure(run.predictor.own_rows("test"), "test")["metrics"]["y"] == pytest.approx(run.metrics["test"]["y"])


def test_micro_batches_and_the_unit_of_weights_change_only_rounding(folder: Path, run: tw.Run) -> None:
    data = rows()
    pieces = weighed(folder, "pieces", {**data, "w": data["w"] * 7}, trainer={"micro_batch_size": 5}, evaluation={"baselines": []})
    for name, each in weights_of(run).items():
        torch.testing.assert_close(weights_of(pieces)[name], each, atol=1e-4, rtol=1e-3)
    assert pieces.metrics["validation"]["y"] == pytest.approx(run.metrics["validation"]["y"], rel=1e-3)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [(-1.0, "row 4 -1.0"), (float("nan"), "row 4 'missing'"), (float("inf"), "row 4 'infinite'"), ("heavy", "row 4 'heavy'")],
)
def test_a_weight_that_is_none_is_refused_with_its_row(tmp_path: Path, wrong: Any, said: str) -> None:
    data = rows(60)
    values = data["w"].tolist()
    values[3] = wrong
    given = pa.table({"x": data["x"], "y": data["y"], "w": [str(each) for each in values] if wrong == "heavy" else values})
    with pytest.raises(DataError) as caught:
        weighed(tmp_path, "r", given)
    assert said in str(caught.value) and "data.weights" in str(caught.value) and not (tmp_path / "r").exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"data": {"weights": "ww"}}, "did you mean 'w'"),
        ({"data": {"weights": "y"}}, "would be predicted"),
        ({"inputs": ["x", "w"]}, "would be learnt from"),
        ({"data": {"transform": ["mixup"]}}, "rows that are mixed"),
    ],
)
def test_a_column_that_cannot_weigh_rows_is_refused(tmp_path: Path, options: dict[str, Any], said: str) -> None:
    with pytest.raises(RequestError) as caught:
        weighed(tmp_path, "r", rows(60), **options)
    assert said in str(caught.value) and not (tmp_path / "r").exists()


def test_weights_of_nothing_but_noughts_are_refused_and_the_option_is_one() -> None:
    with pytest.raises(DataError, match="all training rows weigh 0"):
        in_mean_of(np.array([0.0, 0.0, 1.0], np.float32), np.array([0, 1]), "w")
    assert in_mean_of(np.array([2.0, 4.0, 6.0], np.float32), np.array([0, 1]), "w").tolist() == pytest.approx([2 / 3, 4 / 3, 2])
    assert check_config(compose_config(None, ["data.source=builtin:iris", "data.weights=w"])).data.weights == "w"
    with pytest.raises((ConfigError, RequestError)):
        check_config(compose_config(None, ["data.source=builtin:iris", "data.weight=w"]))

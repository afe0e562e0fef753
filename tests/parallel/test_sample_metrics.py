"""Samples measured beside the rows of a split: the same numbers in any batches and at any number of processes; what cannot be is told."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from forked_ranks import on_ranks
from torch import Tensor, nn

import trainwright as tw
from trainwright.config.errors import ConfigError, DataError, TrainwrightError
from trainwright.data.counters import fold
from trainwright.data.rows import TensorRows
from trainwright.engine.config import TrainerConfig
from trainwright.engine.sample_metrics_options import SampleMetricsOptions
from trainwright.engine.trainer import Trainer
from trainwright.parallel.distributed import DistributedWorld
from trainwright.parallel.world import World

FEW: dict[str, Any] = {"max_steps": 4, "batch_size": 16, "evaluate_every": "2 steps", "trackers": ["csv"], "early_stopping": None}
SAMPLED = {"metrics": ["fid", {"type": "kid", "subset_size": 20, "subsets": 3}, "prdc"], "n": 50, "features": "pixels"}


class Painter(tw.System):
    """Every sample follows from its number: a scaled and moved normal row of 2 × 3."""

    def __init__(self, scale: float = 1.0) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(scale))

    def training_step(self, batch: Any, context: Any) -> Tensor:
        return (self.scale * batch["x"]).square().mean()

    def evaluation_step(self, batch: Any, context: Any) -> Tensor:
        return self.training_step(batch, context)

    def class_of(self, batch: Any) -> Tensor | None:
        found: Tensor | None = batch.get("y")
        return found

    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        return self.sample_numbered(0, n, generator.initial_seed())

    def sample_numbered(self, first: int, count: int, seed: int) -> Tensor:
        made = [torch.randn(2, 3, generator=torch.Generator().manual_seed(fold(seed, "x", k))) for k in range(first, first + count)]
        return torch.stack(made) * self.scale.detach()


def normal_rows(n: int, seed: int, classes: bool = False) -> TensorRows:
    x = torch.randn(n, 2, 3, generator=torch.Generator().manual_seed(seed))
    if not classes:
        return TensorRows({"x": x})
    y = torch.arange(n) % 3
    return TensorRows({"x": x + 4 * y[:, None, None], "y": y})


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("TRAINWRIGHT_CACHE", str(folder))
    return folder


def trainer(sample_metrics: Any, world: World | None = None, **options: Any) -> Trainer:
    config = TrainerConfig.model_validate(FEW | {"sample_metrics": sample_metrics} | options)
    return Trainer(config, seed=3, device="cpu", console=False, world=world)


def measured(sample_metrics: Any, system: tw.System | None = None, rows: TensorRows | None = None, **options: Any) -> dict[str, float]:
    return trainer(sample_metrics, **options).test(system or Painter(), rows or normal_rows(70, 1))


def test_numbers_do_not_depend_on_the_batches() -> None:
    one = measured(SAMPLED | {"batch_size": 64})
    other = measured(SAMPLED | {"batch_size": 7}, evaluation_batch_size=3)
    assert one["fid.n"] == 50 and one["fid.n_real"] == 70
    assert {"fid.halves", "fid.floor", "kid.sd", "prdc.coverage"} <= set(one)
    for name, value in one.items():
        if name == "loss":  # the mean over batches of the loss of each
            continue
        assert other[name] == pytest.approx(value, rel=1e-9, abs=1e-12), name


def both_ways(world: World, folder: Path) -> tuple[dict[str, float], dict[str, float]]:
    """Numbers of a measurement, and of a run whose features are learnt."""
    tested = trainer(SAMPLED | {"batch_size": 8}, world).test(Painter(), normal_rows(70, 1))
    learnt = {"metrics": ["fid", "nearest"], "n": 30, "features": {"type": "classifier", "steps": 30}}
    rows = normal_rows(64, 2, classes=True), normal_rows(70, 1, classes=True)
    fitted = trainer(learnt, world, monitor="fid").fit(Painter(2.0), *rows, run=folder / "run")
    return tested, fitted.metrics["validation"]


def on_rank(world: DistributedWorld, folder: Path) -> tuple[dict[str, float], dict[str, float]]:
    return both_ways(world, folder)


def test_two_processes_give_the_numbers_of_one(tmp_path: Path, own_cache: Path) -> None:
    alone, fitted = both_ways(World(), tmp_path / "alone")
    shutil.rmtree(own_cache)
    first, second = on_ranks(tmp_path, on_rank)
    assert first == second and first[0] == alone  # to the bit
    assert first[1] == pytest.approx(fitted, rel=1e-5)  # of weights whose steps two processes share


def test_a_perfect_model_lies_at_the_floor_and_another_far_from_it() -> None:
    asked = SAMPLED | {"metrics": ["fid"], "n": 400}
    perfect, wide = (measured(asked, Painter(scale), normal_rows(400, 1)) for scale in (1.0, 3.0))
    assert perfect["fid"] < 2 * perfect["fid.floor"] < 0.1 * wide["fid"]
    assert wide["fid"] == pytest.approx(6 * (3 - 1) ** 2, rel=0.2)  # |m|² + d (1 − s)²


def test_a_run_keeps_by_fid_and_says_what_it_was_measured_by(tmp_path: Path) -> None:
    fitted = trainer(SAMPLED, monitor="fid").fit(Painter(2.0), normal_rows(64, 2), normal_rows(70, 1), normal_rows(40, 3), run=tmp_path)
    assert fitted.monitor == "fid" and fitted.best_value == pytest.approx(fitted.metrics["validation"]["fid"])
    assert fitted.metrics["test"]["fid.n_real"] == 40
    told = json.loads((tmp_path / "sample_metrics.json").read_text())
    assert set(told) == {"validation", "test"}
    assert told["validation"]["n"] == 50 and told["validation"]["features"] == "pixels (raw values), 6 numbers of rows 2×3"


class Drawing(Painter):
    """Its steps draw noise from torch's generator."""

    def training_step(self, batch: Any, context: Any) -> Tensor:
        return (self.scale * batch["x"] + torch.randn_like(batch["x"])).square().mean()


def test_a_run_that_is_measured_has_the_weights_of_one_that_is_not(tmp_path: Path) -> None:
    weights = []
    for asked in (None, SAMPLED | {"features": {"type": "pca"}}):
        system = Drawing(2.0)
        trainer(asked).fit(system, normal_rows(64, 2), normal_rows(70, 1), run=tmp_path / f"{asked is None}")
        weights.append(system.scale.detach().clone())
    assert torch.equal(*weights)


def test_a_run_that_goes_on_is_measured_as_one_that_was_not_interrupted(tmp_path: Path) -> None:
    asked, rows = SAMPLED | {"every": "3 steps"}, (normal_rows(64, 2), normal_rows(70, 1))
    more = {"max_steps": 8, "checkpoint": {"every": "2 steps", "min_interval": "0 s"}}
    whole = trainer(asked, **more).fit(Drawing(2.0), *rows, run=tmp_path / "whole")
    trainer(asked, **{**more, "max_steps": 4}).fit(Drawing(2.0), *rows, run=tmp_path / "parts")
    parts = trainer(asked, **more).fit(Drawing(2.0), *rows, run=tmp_path / "parts", resume=True)
    measured_at = [{row["step"]: row["validation/fid"] for row in each.history if "validation/fid" in row} for each in (whole, parts)]
    assert measured_at[0] == measured_at[1] and list(measured_at[0]) == [4, 6]


def test_between_two_intervals_nothing_is_measured(tmp_path: Path) -> None:
    fitted = trainer(SAMPLED | {"every": "3 steps"}).fit(Painter(), normal_rows(64, 2), normal_rows(70, 1), run=tmp_path)
    assert ["validation/fid" in row for row in fitted.history if "validation/loss" in row] == [False, True]


def test_what_is_learnt_and_the_reference_are_kept_for_the_same_rows(own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = {"metrics": ["fid", "inception_score"], "n": 60, "features": {"type": "classifier", "steps": 200}}

    def once() -> dict[str, float]:
        made = trainer(asked)
        made.training_rows = lambda: normal_rows(90, 2, classes=True)
        return made.test(Painter(), normal_rows(70, 1, classes=True))

    before = once()
    assert before["inception_score.real"] > 2 > before["inception_score"] > 0.99  # three classes, and samples of one
    for folder in ("features", "references"):
        assert len(list((own_cache / folder).iterdir())) == 1
    monkeypatch.setattr("trainwright.metrics.extractors.classifier.train_classifier", None)  # would fail if it were trained again
    assert once() == before


class Copying(Painter):
    """Its samples are rows of training."""

    def sample_numbered(self, first: int, count: int, seed: int) -> Tensor:
        return normal_rows(90, 2).take(torch.arange(first, first + count) % 90)["x"]


def test_copies_of_training_rows_are_seen(own_cache: Path) -> None:
    found = []
    for system in (Copying(), Painter()):
        made = trainer({"metrics": ["nearest"], "n": 60})
        made.training_rows = lambda: normal_rows(90, 2)
        found.append(made.test(system, normal_rows(70, 1)))
        assert made.measured_by.startswith("60 of seed 0, features: distance to the nearest of 90 training rows, by values")
    rows, train = (normal_rows(n, seed).take(torch.arange(n))["x"].flatten(1).double() for n, seed in ((70, 1), (90, 2)))
    assert found[0]["nearest"] == pytest.approx(0, abs=1e-6)
    assert found[0]["nearest.real"] == pytest.approx(float(torch.cdist(rows, train).min(1).values.median()), rel=1e-9)
    assert found[1]["nearest"] == pytest.approx(found[1]["nearest.real"], rel=0.2)


def test_features_that_are_left_open_follow_from_the_classes(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO"):
        made = trainer({"metrics": ["fid"], "n": 20})
        made.training_rows = lambda: normal_rows(90, 2)
        made.test(Painter(), normal_rows(70, 1))
    assert "features: pca" in caplog.text and "pca (of values of 90 training rows), 6 numbers" in caplog.text


@pytest.mark.parametrize("change", ["rows", "features"])
def test_a_reference_of_other_rows_or_features_is_refused(tmp_path: Path, change: str) -> None:
    asked = SAMPLED | {"metrics": ["fid"], "reference": str(tmp_path / "kept.safetensors")}
    first = measured(asked)
    assert measured(asked) == first
    made = trainer(asked | ({"features": {"type": "pca", "components": 6}} if change == "features" else {}))
    made.training_rows = lambda: normal_rows(90, 2)
    with pytest.raises(ConfigError, match="other rows" if change == "rows" else "other features"):
        made.test(Painter(), normal_rows(70, 9 if change == "rows" else 1))


def test_a_reference_that_is_none_is_refused_and_one_of_the_cache_made_again(tmp_path: Path, own_cache: Path) -> None:
    broken = tmp_path / "kept.safetensors"
    broken.write_bytes(b"nothing")
    with pytest.raises(ConfigError, match="cannot be read"):
        measured(SAMPLED | {"reference": str(broken)})
    first = measured(SAMPLED)
    next((own_cache / "references").iterdir()).write_bytes(b"nothing")
    assert measured(SAMPLED) == first


class Narrow(Painter):
    """Its samples are of another shape."""

    def sample_numbered(self, first: int, count: int, seed: int) -> Tensor:
        return torch.zeros(count, 5)


class Two(Painter):
    """Its batches have two tensors that samples may be like."""

    def training_step(self, batch: Any, context: Any) -> Tensor:
        return self.scale.square()


class Words(Painter):
    """Its samples are texts."""

    def sample_numbered(self, first: int, count: int, seed: int) -> Any:
        return ["a"] * count


WRONG: list[tuple[tw.System, TensorRows, type[TrainwrightError], str]] = [
    (Narrow(), normal_rows(30, 1), DataError, "samples have the shape 5, and real rows 2×3"),
    (Two(), TensorRows({"x": torch.zeros(30, 2, 3), "z": torch.zeros(30, 2)}), ConfigError, "what samples are measured beside"),
    (Words(), normal_rows(30, 1), ConfigError, "these samples cannot be measured"),
    (Painter(), TensorRows({"x": torch.full((30, 2, 3), torch.nan)}), DataError, "values that are no numbers"),
]


@pytest.mark.parametrize(("system", "rows", "kind", "words"), WRONG, ids=["shape", "two tensors", "texts", "nan"])
def test_what_cannot_be_compared_is_told(system: tw.System, rows: TensorRows, kind: type[TrainwrightError], words: str) -> None:
    with pytest.raises(kind, match=words):
        measured(SAMPLED, system, rows)


def test_a_mistake_is_met_before_the_first_step(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="samples have the shape 5"):
        trainer(SAMPLED).fit(Narrow(), normal_rows(64, 2), normal_rows(70, 1), run=tmp_path)
    assert not (tmp_path / "metrics.csv").exists() or not (tmp_path / "metrics.csv").read_text()


def test_a_classifier_needs_classes() -> None:
    made = trainer(SAMPLED | {"features": "classifier"})
    made.training_rows = lambda: normal_rows(90, 2)
    with pytest.raises(ConfigError, match="needs classes"):
        made.test(Painter(), normal_rows(70, 1))


def test_a_system_without_samples_is_refused() -> None:
    class Plain(tw.System):
        def __init__(self) -> None:
            super().__init__()
            self.scale = nn.Parameter(torch.ones(()))

        def training_step(self, batch: Any, context: Any) -> Tensor:
            return torch.zeros(())

    with pytest.raises(ConfigError, match="makes no samples"):
        trainer(SAMPLED).check(Plain(), 64, 64)


def test_a_monitor_that_some_evaluations_lack_is_refused() -> None:
    with pytest.raises(ConfigError, match="'fid' cannot be the monitor"):
        trainer(SAMPLED | {"every": "3 steps"}, monitor="fid").check(Painter(), 64, 64)


REFUSED: list[tuple[Any, str]] = [
    ("accuracy", "accuracy does not compare two sets of rows"),
    ("fid,fid", "fid is asked for twice"),
    ("fidd", "unknown metric type 'fidd'"),
    ({"features": "pixel"}, "unknown feature_extractor type 'pixel'"),
    ({"features": "./nothing.py:Features"}, "nothing.py"),
    ({"n": 1}, "greater than or equal to 2"),
    ({"every": "10 min"}, "write steps or epochs"),
    ({"reference": "kept.npz"}, "does not end in .safetensors"),
    ({"metrics": [{"type": "fid", "features": "pixels"}]}, "has features of its own"),
]


@pytest.mark.parametrize(("given", "words"), REFUSED, ids=range(len(REFUSED)))
def test_options_that_cannot_be_are_refused(given: Any, words: str) -> None:
    with pytest.raises(Exception, match=words):
        TrainerConfig.model_validate({"sample_metrics": given})


def test_two_of_a_kind_are_told_apart() -> None:
    options = SampleMetricsOptions.model_validate({"metrics": ["kid", {"type": "kid", "subsets": 5}, "prdc"]})
    assert options.names() == ["kid", "kid_subsets=5", "prdc.precision", "prdc.recall", "prdc.density", "prdc.coverage"]

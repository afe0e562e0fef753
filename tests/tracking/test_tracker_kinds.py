"""What TensorBoard gets beside numbers, read back from its files; and trackers that cannot take a kind."""

from __future__ import annotations

import io
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

import trainwright as tw
from trainwright.api.record_in_trackers import graph_nodes, record_in_trackers
from trainwright.config.errors import ConfigError
from trainwright.engine.callbacks.histograms import Histograms, histogram
from trainwright.engine.callbacks.options import HistogramsOptions
from trainwright.files.inspection.layers import Flow, FlowNode
from trainwright.report.blocks import CannotDraw, read
from trainwright.report.rasters import raster
from trainwright.runs.directory import RunDirectory
from trainwright.systems.run_config import check_config, compose_config
from trainwright.tracking import TensorBoardOptions
from trainwright.tracking.kinds import Kinds
from trainwright.tracking.tensorboard import TensorBoardTracker

SCALE = {"histograms": 0, "images": 0, "tensors": 0, "scalars": 0}


def events(folder: Path) -> EventAccumulator:
    found = EventAccumulator(str(folder / "tensorboard"), size_guidance=SCALE)
    found.Reload()
    return found


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tw.Run:
    """A run of a small table with two evaluations and the histograms of one module."""
    random = np.random.default_rng(0)
    x = random.normal(size=200)
    table = {"x": x, "z": random.normal(size=200), "y": np.where(x > 0, "yes", "no")}
    return tw.train(
        table,
        target="y",
        model={"combiner": {"type": "concat", "depth": 1, "width": 8}},
        trainer={"max_epochs": 2, "batch_size": 32, "callbacks": [{"type": "histograms", "parameters": "combiner"}]},
        evaluation={"baselines": ["constant"], "intervals": False, "report": False},
        run={"dir": str(tmp_path_factory.mktemp("runs") / "run"), "seed": 5},
    )


@pytest.fixture(scope="module")
def read_back(run: tw.Run) -> EventAccumulator:
    return events(run.path)


def test_weights_and_gradients_of_the_named_module_are_there_at_each_evaluation(run: tw.Run, read_back: EventAccumulator) -> None:
    sizes = {name: param.numel() for name, param in run.model.system.named_parameters() if name.startswith("combiner.")}
    evaluated = [each.step for each in read_back.Scalars("validation/loss")]
    assert set(read_back.Tags()["histograms"]) == {f"{kind}/{name}" for kind in ("weights", "gradients") for name in sizes}
    for name, size in sizes.items():
        for kind in ("weights", "gradients"):
            found = read_back.Histograms(f"{kind}/{name}")
            assert [each.step for each in found] == evaluated and len(evaluated) == 2
            assert all(each.histogram_value.num == sum(each.histogram_value.bucket) == size for each in found)


def test_the_last_histogram_is_of_the_last_weights(run: tw.Run, read_back: EventAccumulator) -> None:
    if read_back.Scalars("validation/loss")[-1].step != run.results["best"]["step"]:
        pytest.fail("this run is meant to be best at its end, so that its model is what the last histogram is of")
    for name, param in run.model.system.named_parameters():
        if name.startswith("combiner."):
            found = read_back.Histograms(f"weights/{name}")[-1].histogram_value
            assert found.sum == pytest.approx(float(param.detach().sum()), abs=1e-4) and found.max == pytest.approx(
                float(param.detach().max())
            )


def test_hyperparameters_are_there_with_the_final_metrics(run: tw.Run, read_back: EventAccumulator) -> None:
    found = HParamsPluginData.FromString(read_back.SummaryMetadata("_hparams_/session_start_info").plugin_data.content)
    settings = {name: value.number_value or value.string_value for name, value in found.session_start_info.hparams.items()}
    assert settings["trainer.max_epochs"] == 2 and settings["run.seed"] == 5 and settings["batch_size"] == 32
    assert settings["trainer.optimizer"] == "adamw" and settings["trainer.optimizer.learning_rate"] == pytest.approx(1e-3)
    assert settings["system.model.combiner"] == "concat" and settings["system.model.combiner.width"] == 8
    accuracy = read_back.Scalars("final/test/y.accuracy")
    assert [each.value for each in accuracy] == [pytest.approx(run.metrics["test"]["y"]["accuracy"])]


def test_configuration_verdict_graph_and_figures_are_there(run: tw.Run, read_back: EventAccumulator) -> None:
    config, told = (read_back.Tensors(f"{name}/text_summary")[0].tensor_proto.string_val[0].decode() for name in ("config", "results"))
    assert (run.path / "config.yaml").read_text() in config
    assert run.results["verdict"]["y"]["text"] in told and "| final/test/y.accuracy |" in told
    nodes = {node.name: node for node in read_back.Graph().node}
    assert any(name.startswith("combiner/") for name in nodes)
    assert all(source in nodes for node in nodes.values() for source in node.input)
    figures = read_back.Tags()["images"]
    assert any("Confusion" in name for name in figures) and any("ROC" in name for name in figures)
    for name in figures:
        pixels = np.asarray(Image.open(io.BytesIO(read_back.Images(name)[0].encoded_image_string)))
        assert pixels.shape[2] == 3 and len(np.unique(pixels.reshape(-1, 3), axis=0)) > 10, f"{name} is blank"


def test_what_is_told_at_the_end_of_a_continued_run_hides_none_of_its_rows(tmp_path: Path) -> None:
    tracker = TensorBoardTracker(TensorBoardOptions(), tmp_path)
    tracker.log({"step": 5, "loss": 1.0})
    tracker.close()
    tracker = TensorBoardTracker(TensorBoardOptions(), tmp_path)
    tracker.begin(5)
    for step in (6, 7, 8):
        tracker.log({"step": step, "loss": 1.0})
    tracker.close()
    tracker.text("late", "said", 8)
    tracker.close()
    found = events(tmp_path)
    assert [each.step for each in found.Scalars("loss")] == [5, 6, 7, 8] and "late/text_summary" in found.Tags()["tensors"]


def test_a_run_without_graph_figures_or_results_is_told_what_there_is(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with RunDirectory.create(str(tmp_path / "run"), "run") as run:
        run.config.write_text("run: {seed: 1}\n")
        tracker, config = (
            TensorBoardTracker(TensorBoardOptions(), run.path),
            check_config(compose_config(None, ["data.source=builtin:iris"])),
        )
        record_in_trackers([tracker], run, config, 3)
    found = events(run.path)
    assert found.Tags()["graph"] is False and not found.Tags()["images"] and "config/text_summary" in found.Tags()["tensors"]
    assert not caplog.records


class Numbers:
    """A tracker that takes rows alone."""

    def __init__(self) -> None:
        self.rows: list[Any] = []


class Pictures(Numbers):
    shown_name = "Pictures"

    def image(self, name: str, array: Any, step: int) -> None:
        if name == "refused":
            raise OSError(28, "No space left on device")
        self.rows.append((name, step))


def test_a_tracker_that_cannot_take_a_kind_says_so_once(caplog: pytest.LogCaptureFixture) -> None:
    pictures = Pictures()
    kinds = Kinds([Numbers(), pictures])
    with caplog.at_level(logging.INFO, "trainwright"):
        for step in (1, 2, 3):
            kinds.give("image", "a", None, step)
        kinds.give("image", "refused", None, 4)
        kinds.give("histogram", "w", None, 4)
    assert pictures.rows == [("a", 1), ("a", 2), ("a", 3)]
    assert [each.getMessage() for each in caplog.records] == [
        "Numbers takes no images; Pictures does",
        "Pictures did not take the image refused: No space left on device",
        "Numbers takes no histograms",
        "Pictures takes no histograms",
    ]


def test_histograms_without_a_tracker_that_takes_them_are_told_of_and_cost_nothing_else(caplog: pytest.LogCaptureFixture) -> None:
    x = torch.randn(32, 3)
    with caplog.at_level(logging.INFO, "trainwright"):
        tw.fit(torch.nn.Linear(3, 1), (x, x[:, :1]), loss="mse", max_epochs=3, batch_size=8, trackers=["csv"], callbacks=[Histograms()])
    assert [each.getMessage() for each in caplog.records if "histogram" in each.getMessage()] == ["metrics.csv takes no histograms"]


def test_a_pattern_that_names_no_parameter_is_refused_with_the_nearest() -> None:
    x = torch.randn(32, 3)
    with pytest.raises(ConfigError, match="'wait' names no parameter"):
        options = Histograms(HistogramsOptions(parameters=["wait"]))
        tw.fit(torch.nn.Linear(3, 1), (x, x[:, :1]), loss="mse", max_epochs=1, batch_size=8, callbacks=[options])


@pytest.mark.parametrize("values", [torch.randn(1000), torch.full((7,), 3.0), torch.tensor([1.0, float("nan"), 2.0, float("inf")])])
def test_a_histogram_counts_every_finite_value(values: torch.Tensor) -> None:
    found = histogram(values, 12)
    finite = values[values.isfinite()].numpy()
    assert found is not None and len(found.edges) == 13
    assert found.counts == np.histogram(finite, np.asarray(found.edges, np.float32))[0].tolist() and sum(found.counts) == len(finite)
    assert found.total == pytest.approx(finite.sum(), rel=1e-4, abs=1e-4) and found.squares == pytest.approx((finite**2).sum(), rel=1e-4)
    assert histogram(torch.tensor([float("nan")]), 3) is None and histogram(torch.zeros(0), 3) is None


def test_of_a_large_tensor_values_are_looked_at_that_are_evenly_spaced() -> None:
    found = histogram(torch.arange(1000.0), 10, most=100)
    assert found is not None and found.counts == [10.0] * 10 and (found.edges[0], found.edges[-1]) == (0.0, 990.0)


def test_calls_of_one_name_have_names_of_their_own_in_the_graph() -> None:
    inner = [FlowNode(3, "module", "fc", "Linear"), FlowNode(4, "operation", "add"), FlowNode(5, "operation", "add")]
    nodes = [FlowNode(1, "input", "x"), FlowNode(2, "module", "block", "Block", children=inner), FlowNode(6, "output", "output")]
    edges = [(1, 3), (3, 4), (1, 5), (4, 5), (5, 6)]
    made = {each.name: each for each in graph_nodes(Flow(nodes, edges))}
    assert list(made) == ["x", "block", "block/fc", "block/add", "block/add_2", "output"]
    assert (
        made["block/add_2"].inputs == ("x", "block/add") and made["output"].inputs == ("block/add_2",) and made["block/fc"].kind == "Linear"
    )


CHARTS: dict[str, dict[str, Any]] = {
    "lines": {"lines": [{"name": "a", "x": [0, 1, 2], "y": [1, 3, 2]}, {"name": "b", "x": [0, 2], "y": [0, 1]}], "diagonal": True},
    "points": {"x": [0.0, 1.0, None], "y": [1.0, 0.5, 2.0], "diagonal": True},
    "bars": {"bars": [{"name": "a", "value": 0.5}, {"name": ["b", "c"], "value": -0.1}]},
    "confusion": {"matrix": [[5, 1], [0, 4]], "classes": ["yes", "no"]},
}


@pytest.mark.parametrize("kind", [*CHARTS, "histogram"])
def test_every_chart_of_a_report_can_be_a_picture(kind: str) -> None:
    block = {"type": "bars", "edges": [0, 1, 2], "counts": [3, 1]} if kind == "histogram" else {"type": kind, **CHARTS[kind]}
    pixels = raster(read({**block, "title": "A title"}))
    assert pixels.dtype == np.uint8 and pixels.ndim == 3 and pixels.shape[1] == 760
    assert (pixels < 255).mean() > 0.003 and (pixels == 255).mean() > 0.05


def test_what_is_no_chart_is_no_picture_and_an_empty_one_is_refused() -> None:
    assert raster(read({"type": "text", "text": "words"})) is None
    for empty in ({"type": "points", "x": [None], "y": [1.0]}, {"type": "bars", "bars": [{"name": "a", "value": None}]}):
        with pytest.raises(CannotDraw):
            raster(read(empty))

"""Configurations of `examples/` train from the command line; nodes and code give the same weights, bit for bit."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from example_files import EXAMPLES, example

import trainwright as tw
from trainwright.cli.main import main
from trainwright.files.tensors import load_tensors

pytestmark = pytest.mark.slow


def results(run: Path) -> dict[str, dict[str, float]]:
    """The metrics of a run by split."""
    found = json.loads((run / "results.json").read_text())["metrics"]
    return {split: {"loss": each.get("loss"), **each["target"]} for split, each in found.items()}


def test_nodes_in_a_file_and_a_class_in_code_are_trained_to_the_same_weights_bit_for_bit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["train", str(EXAMPLES / "same_network.yaml"), "run.dir=of_file"]) == 0
    weights, accuracy = example("same_network").main("of_code")  # trains the class and the nodes, and compares them itself
    of_file = load_tensors(tmp_path / "of_file/model/model.safetensors")
    assert of_file.keys() == weights.keys()
    assert all(torch.equal(of_file[name], weights[name]) for name in weights)
    assert results(tmp_path / "of_file")["validation"]["accuracy"] == accuracy
    assert accuracy > 0.95


def test_the_face_is_painted_from_parts_and_filmed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("PIL")
    monkeypatch.chdir(tmp_path)
    assert main(["train", str(EXAMPLES / "parts.yaml"), "run.dir=run"]) == 0
    found = results(tmp_path / "run")
    assert found["test"]["mse"] == pytest.approx(found["validation"]["mse"], rel=1e-5)
    assert found["test"]["mse"] < 0.012
    assert {each.name for each in (tmp_path / "run/media/steps").iterdir()} >= {f"{step}.png" for step in range(100, 601, 100)}
    assert (tmp_path / "run/media/film.gif").stat().st_size > 10_000
    names = load_tensors(tmp_path / "run/model/model.safetensors").keys()
    assert "geometry.material.colours" in names
    assert not [name for name in names if name.startswith("guidance")]


def test_a_mirrored_geometry_is_the_same_on_both_sides_and_the_base_is_not() -> None:
    example("parts")  # registers them
    points = torch.rand(50, 2)
    flipped = points * torch.tensor([-1.0, 1.0])
    for name, alike in (("discs:mirrored", True), ("discs", False)):
        geometry = tw.make(name)
        assert torch.equal(geometry(points)[0], geometry(flipped)[0]) == alike


def test_parts_are_exchanged_on_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["system.type=./parts.py:Painter", "system.geometry.type=discs", "system.geometry.count=5", "trainer.max_steps=3"]
    assert main(["train", str(EXAMPLES / "parts.yaml"), "run.dir=run", *words]) == 0
    assert load_tensors(tmp_path / "run/model/model.safetensors")["geometry.place"].shape == (5, 2)
    assert not (tmp_path / "run/media").exists()


def test_a_network_of_blocks_learns_digits_and_is_measured_again_alike(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["train", str(EXAMPLES / "blocks.yaml"), "run.dir=run"]) == 0
    found = results(tmp_path / "run")["validation"]
    assert found["accuracy"] > 0.97
    names = load_tensors(tmp_path / "run/model/model.safetensors").keys()
    assert {"stage1.se.fc1.weight", "basic_block.downsample.1.weight", "stage2.1.pwconv1.weight"} <= {*names}
    pictures, labels = example("same_network").digits()["validation"]
    model = tw.load("run").model.eval()
    with torch.no_grad():
        assert float((model(pictures).argmax(1) == labels).float().mean()) == pytest.approx(found["accuracy"])


def test_a_unet_learns_what_each_pixel_shows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["train", str(EXAMPLES / "unet.yaml"), "run.dir=run"]) == 0
    unet = example("unet")
    pictures, masks = unet.shapes()["validation"]
    with torch.no_grad():
        found = unet.overlap(tw.load("run").model.eval()(pictures), masks)
    assert found.mean() > 0.9 and found.min() > 0.75
    bright = torch.nn.functional.one_hot((pictures[:, 0] > 0.5).long() * 2, len(unet.KINDS)).movedim(-1, 1)
    assert unet.overlap(bright, masks).mean() < 0.4  # brightness alone finds that there is a shape, and never which

"""Published networks, written as graphs of blocks: their sizes, their names, and that they take what they are for."""

from __future__ import annotations

import zlib
from pathlib import Path

import pytest
import torch
from filled import GOLDEN

from trainwright.nn import blocks
from trainwright.nn.counting import n_params
from trainwright.tools.graph import Graph, graph

NETWORKS = Path(__file__).parents[3] / "configs" / "networks"
PUBLISHED = {"resnet18": 11_689_512, "resnet50": 25_557_032, "convnext_tiny": 28_589_128, "xresnet1d50": 962_503}


def without_memory(name: str) -> Graph:
    """The network of a file, its weights not drawn."""
    text = (NETWORKS / f"{name}.yaml").read_text(encoding="utf-8")
    return Graph.from_yaml(text.replace("type: graph\n", "type: graph\n  device: meta\n", 1))


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_network_has_the_published_number_of_parameters(name: str) -> None:
    assert n_params(without_memory(name)) == PUBLISHED[name]


@pytest.mark.parametrize("name", GOLDEN["names"])
def test_weights_are_called_and_shaped_as_in_timm_so_that_its_weights_fit(name: str) -> None:
    shapes = [f"{key} {tuple(each.shape)}" for key, each in sorted(without_memory(name).state_dict().items())]
    assert zlib.crc32("\n".join(shapes).encode()) == GOLDEN["names"][name]["crc32"]


def test_the_unet_of_ddpm_has_the_published_35_7_million_parameters() -> None:
    options = {"width": 128, "multipliers": [1, 2, 2, 2], "attention": [1], "heads": 1, "time": "sinusoidal", "conditioning": "add"}
    made = graph([{"unet": {"type": "unet", "channels": 3, **options}, "inputs": ["x", "t"]}], inputs=["x", "t"], device="meta")
    assert n_params(made) == 35_746_307  # Ho et al. 2020, appendix B, for CIFAR-10; to the last one that of diffusers


@pytest.mark.parametrize(
    ("options", "published"),
    [
        ({"expansion": 2, "groups": 32}, 25_028_904),  # ResNeXt-50 32×4d
        ({"expansion": 2}, 68_883_240),  # Wide ResNet-50-2
        ({"squeeze": 16}, 28_088_024),  # SE-ResNet-50
    ],
)
def test_relatives_of_resnet_50_have_their_published_numbers_of_parameters(options: dict[str, int], published: int) -> None:
    text = (NETWORKS / "resnet50.yaml").read_text(encoding="utf-8").replace("type: graph\n", "type: graph\n  device: meta\n", 1)
    written = ", ".join(f"{key}: {each}" for key, each in options.items())
    assert n_params(Graph.from_yaml(text.replace("type: bottleneck,", f"type: bottleneck, {written},"))) == published


def test_tcn_of_sequential_mnist_has_about_the_published_70_thousand() -> None:
    layers = {"kernel": 7, "out_channels": 25, "repeat": {"channels": [1, *[25] * 7], "dilation": [2**each for each in range(8)]}}
    made = graph([{"tcn": {"type": "tcn_block", **layers}}, {"Linear": [25, 10], "inputs": "tcn[:, :, -1]"}])
    assert round(n_params(made), -4) == 70_000  # Bai et al. 2018, table 1: "≈ 70K"


def test_patches_of_vit_base_and_of_the_audio_transformer() -> None:
    assert n_params(blocks.PatchEmbedding(3, 768, 16)) == 16 * 16 * 3 * 768 + 768
    for frames in (128, 512, 1024):  # Gong et al. 2021: 128 bins, pieces of 16 with stride 10
        assert blocks.PatchEmbedding(1, 8, 16, stride=10)(torch.zeros(1, 1, 128, frames)).shape[1] == 12 * ((frames - 16) // 10 + 1)


def test_a_network_of_a_file_is_the_base_of_a_run(tmp_path: Path) -> None:
    from trainwright.systems.run_config import read_config

    (tmp_path / "run.yaml").write_text(f"base: {NETWORKS / 'resnet18.yaml'}\nloss: cross_entropy\ndata: {{type: './d.py:d'}}\n")
    (tmp_path / "d.py").write_text("def d():\n    return {}\n")
    assert read_config(tmp_path / "run.yaml").system.model.type == "graph"

"""Published networks, written as graphs of blocks: their sizes, their names, and that they take what they are for."""

from __future__ import annotations

import zlib
from pathlib import Path

import pytest
import torch
from filled import GOLDEN

from trainwright.nn import blocks
from trainwright.nn.counting import n_params
from trainwright.tools.graph import Graph

NETWORKS = Path(__file__).parents[3] / "configs" / "networks"
PUBLISHED = {
    "resnet18": 11_689_512,
    "resnet50": 25_557_032,
    "convnext_tiny": 28_589_128,
    "xresnet1d50": 962_503,
    "nerf": 595_844,
    "ddpm_cifar10": 35_746_307,  # to the last one diffusers' of the same shape; Ho et al. 2020, appendix B, say 35.7 million
}


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


def test_the_tcn_of_sequential_mnist_has_about_the_published_70_thousand_and_sees_every_pixel() -> None:
    made = Graph.from_yaml((NETWORKS / "tcn_mnist.yaml").read_text(encoding="utf-8"))
    assert round(n_params(made), -4) == 70_000  # Bai et al. 2018, table 1: "70K"
    assert 1 + 2 * (7 - 1) * sum(each.conv1.dilation[0] for each in made.tcn) == 3_061 > 784


def test_waves_are_planned_on_the_meta_device_which_has_no_autocast() -> None:
    assert without_memory("fourier_image").colour[0].weight.is_meta
    assert blocks.FourierFeatures(2, 8).to("meta")(torch.rand(3, 2, device="meta")).shape == (3, 8)


def test_a_u_net_takes_one_row_of_one_position_unless_a_norm_would_have_one_number() -> None:
    one = torch.randn(1, 3, 1, 1)
    assert blocks.UNet(3, width=64)(one).shape == blocks.UNet(3, width=32)(one.expand(2, 3, 1, 1))[:1].shape == one.shape
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        blocks.UNet(3, width=32)(one)


def test_a_picture_is_a_function_of_the_place() -> None:
    made = Graph.from_yaml((NETWORKS / "fourier_image.yaml").read_text(encoding="utf-8"))
    assert made(torch.rand(7, 2)).shape == (7, 3)


def test_patches_of_vit_base_and_of_the_audio_transformer() -> None:
    assert n_params(blocks.PatchEmbedding(3, 768, 16)) == 16 * 16 * 3 * 768 + 768
    for frames in (128, 512, 1024):  # Gong et al. 2021: 128 bins, pieces of 16 with stride 10
        assert blocks.PatchEmbedding(1, 8, 16, stride=10)(torch.zeros(1, 1, 128, frames)).shape[1] == 12 * ((frames - 16) // 10 + 1)


def test_a_network_of_a_file_is_the_base_of_a_run(tmp_path: Path) -> None:
    from trainwright.systems.run_config import read_config

    (tmp_path / "run.yaml").write_text(f"base: {NETWORKS / 'resnet18.yaml'}\nloss: cross_entropy\ndata: {{type: './d.py:d'}}\n")
    (tmp_path / "d.py").write_text("def d():\n    return {}\n")
    assert read_config(tmp_path / "run.yaml").system.model.type == "graph"

"""Networks over pictures as encoders: published sizes, maps, missing pictures, several columns, and what does not fit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from picture_groups import drawn, encoder, pictures
from pydantic import ValidationError
from torch import nn

from trainwright.config.errors import ConfigError
from trainwright.domains.images.models import ImageConvNeXt, ImageResNet, SmallCNN, ViT
from trainwright.domains.images.models.auto import MANY_ROWS, for_images
from trainwright.nn.blocks.drop_path import DropPath
from trainwright.optim.parameter_groups import parameter_groups
from trainwright.optim.parameter_options import ParameterOptions
from trainwright.systems.parts import make_encoder

GOLDEN = json.loads((Path(__file__).parent / "golden" / "timm_networks.json").read_text())
PUBLISHED: dict[str, tuple[str, dict[str, Any], int]] = {
    "resnet18": ("image_resnet", {"stem": "imagenet"}, 224),
    "resnet50": ("image_resnet", {"depth": 50, "stem": "imagenet"}, 224),
    "convnext_atto": ("image_convnext", {}, 224),
    "vit_tiny_patch16_224": ("vit", {}, 224),
}
SMALL: dict[str, dict[str, Any]] = {
    "small_cnn": {"widths": [4, 8]},
    "image_resnet": {"depth": [1, 1], "widths": [4, 8]},
    "image_convnext": {"depths": [1, 1], "widths": [4, 8], "patch": 2},
    "vit": {"width": 8, "depth": 1, "heads": 2, "patch": 8},
}


def published(name: str, channels: int = 3) -> Any:
    kind, options, side = PUBLISHED[name]
    with torch.device("meta"):
        return encoder(kind, pictures(side, channels), **options)


def count(module: nn.Module) -> int:
    return sum(each.numel() for each in module.parameters())


@pytest.mark.parametrize("name", PUBLISHED)
def test_networks_with_a_linear_layer_have_the_published_number_of_parameters_and_maps(name: str) -> None:
    golden = GOLDEN["models"][name]
    made = published(name)
    assert count(made) + 1000 * (made.width + 1) == golden["classes"]
    assert golden["gray"] is None or count(published(name, 1)) + 1000 * (made.width + 1) == golden["gray"]
    maps = [list(each) for each in zip(made.map_channels, made.map_strides, strict=True)]
    assert maps == (golden["maps"][-1:] if name.startswith("vit") else golden["maps"][-4:])


@pytest.mark.parametrize("name", ["resnet18 0.75", "vit_tiny_patch16_224 0.75", "vit_tiny_patch16_224 0.65", "convnext_atto 0.8"])
def test_layer_decay_and_no_decay_make_the_groups_that_timm_makes(name: str) -> None:
    network, decay = name.split()
    made = published(network)
    system = nn.ModuleDict({"encoders": nn.ModuleList([made]), "decoders": nn.ModuleList([nn.Linear(made.width, 10, device="meta")])})
    model = nn.Sequential(*system.children())
    found = parameter_groups(ParameterOptions(layer_decay=float(decay), no_decay=True), model, 1.0, 0.05)
    rows = [[each.scale, 0.05 if each.weight_decay is None else each.weight_decay, len(each.names), count_of(each)] for each in found]
    golden = [list(each) for each in sorted(GOLDEN["groups"][name])]
    if network == "convnext_atto":  # the norm after pooling is told with the last block here, and with the linear layer there
        golden[-4][2:], golden[-2][2:] = [8, 2880 + 640], [1, 650 - 640]
    for ours, theirs in zip(sorted(rows), golden, strict=True):
        assert ours == pytest.approx(theirs)


def count_of(group: Any) -> int:
    return sum(each.numel() for each in group.params)


@pytest.mark.parametrize("name", SMALL)
def test_a_group_of_pictures_becomes_a_token_for_each_column(name: str) -> None:
    group = pictures(16, columns=2, missing=True)
    made = encoder(name, group, **SMALL[name]).eval()
    value = drawn(group)["value"]
    absent = torch.tensor([[0.0, 1.0], [0.0, 0.0], [1.0, 1.0]])
    with torch.no_grad():
        made.absent.copy_(torch.randn_like(made.absent))
        found = made({"value": value, "missing": absent})
        swapped = made({"value": value.flip(1), "missing": torch.zeros(3, 2)})
    assert found.shape == (3, made.tokens, made.width) == (3, 2, 8)
    torch.testing.assert_close(found[0, 0], swapped[0, 1])
    torch.testing.assert_close(found[1], swapped[1].flip(0))
    torch.testing.assert_close(found[2], made.absent)
    torch.testing.assert_close(found[0, 1], made.absent[1])


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize(("pooling", "tokens", "width"), [("mean", 1, 8), ("max", 1, 8), ("mean_max", 1, 16), ("attention", 1, 8)])
def test_pooling_gives_one_token_or_every_position(name: str, pooling: str, tokens: int, width: int) -> None:
    group = pictures((16, 24))
    made = encoder(name, group, pooling=pooling, **SMALL[name]).eval()
    assert made(drawn(group)).shape == (3, made.tokens, made.width) == (3, tokens, width)
    every = encoder(name, group, pooling="tokens", **SMALL[name]).eval()
    stride = every.map_strides[-1]
    assert every(drawn(group)).shape == (3, every.tokens, 8) == (3, 16 // stride * 24 // stride, 8)


@pytest.mark.parametrize("name", SMALL)
def test_maps_have_the_channels_and_strides_that_are_told_also_of_odd_sizes(name: str) -> None:
    for side in (16, 24) if name == "vit" else (17, 23):
        group = pictures((side, 2 * side))
        made = encoder(name, group, **SMALL[name]).eval()
        if name == "image_convnext":
            side = side // made.map_strides[-1] * made.map_strides[-1]
            group = pictures((side, 2 * side))
        maps = made.maps(drawn(group))
        wanted = [(3, c, -(-side // s), -(-2 * side // s)) for c, s in zip(made.map_channels, made.map_strides, strict=True)]
        assert [tuple(each.shape) for each in maps[: len(wanted)]] == wanted
        torch.testing.assert_close(made.pool_maps(maps, {}), made(drawn(group)))


def test_drop_path_rises_evenly_over_the_blocks() -> None:
    for network in (ImageResNet(depth=[2, 2, 2, 2], widths=[4] * 4, drop_path=0.1), ViT(width=8, heads=2, depth=8, drop_path=0.1)):
        rates = [each.rate for each in network.modules() if isinstance(each, DropPath)]
        assert rates == pytest.approx([0.1 * number / 7 for number in range(1, 8)])


def test_the_stem_of_a_residual_network_suits_the_size() -> None:
    assert encoder("image_resnet", pictures(64), **SMALL["image_resnet"]).map_strides == (1, 2)
    assert encoder("image_resnet", pictures(96), **SMALL["image_resnet"]).map_strides == (4, 8)
    assert encoder("image_resnet", pictures(64), stem="imagenet", **SMALL["image_resnet"]).map_strides == (4, 8)


@pytest.mark.parametrize(
    ("name", "side", "options", "size"),
    [
        ("image_resnet", 8, {"stem": "imagenet"}, 32),
        ("image_convnext", 8, {}, 32),
        ("image_resnet", (64, 6), {}, 8),
        ("small_cnn", 3, {}, 4),
    ],
)
def test_pictures_smaller_than_the_stride_are_refused_with_the_smallest_size_that_works(
    name: str, side: Any, options: dict[str, Any], size: int
) -> None:
    with pytest.raises(ConfigError, match=f"too small for '{name}'") as refused:
        encoder(name, pictures(side), **options)
    assert f"columns.photo0.size={size} is the smallest size that works" in str(refused.value)
    encoder(name, pictures(size), **options)


def test_pieces_that_do_not_fill_the_picture_are_refused_with_sizes_and_pieces_that_do() -> None:
    with pytest.raises(ConfigError, match="pieces of 16 × 16 do not fill pictures of 100 × 100") as refused:
        encoder("vit", pictures(100))
    assert "columns.photo0.size=96 or 112; or patch: 2 or 4" in str(refused.value)
    encoder("vit", pictures(100), patch=4, width=8, depth=1, heads=1)


def test_options_that_cannot_be_are_refused_at_their_key() -> None:
    for name, options, said in [
        ("image_resnet", {"widths": [8, 8]}, "2 numbers for 4 stages"),
        ("image_convnext", {"depths": [2, 2]}, "2 depths and 4 widths"),
        ("vit", {"heads": 5}, "no multiple of heads"),
        ("vit", {"class_token": False}, "there is no class token"),
        ("small_cnn", {"kernel": 4}, "must be odd"),
    ]:
        with pytest.raises(ValidationError, match=said):
            encoder(name, pictures(64), **options)
    with pytest.raises(ConfigError, match="reads pictures"):
        encoder("small_cnn", pictures(8).__class__("x", "file", ["x"], None, {"value": (1, 64)}))


def test_the_default_grows_with_the_pictures_and_the_rows() -> None:
    made = [make_encoder(for_images(pictures(side), "auto", 1000), pictures(side)) for side in (8, 32, 64, 128)]
    assert [each.map_strides[-1] for each in made] == sorted(each.map_strides[-1] for each in made)
    assert [count(each) for each in made] == sorted(count(each) for each in made)
    for side in (1, 5, 8, 12, 28, 48, 224):
        make_encoder(for_images(pictures(side, 1), "auto", 1000), pictures(side, 1))
    assert for_images(pictures(32), "auto", MANY_ROWS).type == "image_resnet"


def test_networks_are_modules_of_their_own() -> None:
    x = torch.randn(2, 1, 32, 32)
    assert SmallCNN(1, widths=[4, 8])(x).shape == (2, 8, 16, 16)
    assert ImageResNet(1, depth=[1, 1], widths=[4, 8], stem="cifar")(x).shape == (2, 8, 16, 16)
    assert ImageConvNeXt(1, depths=[1], widths=[4])(x).shape == (2, 4, 8, 8)
    assert ViT(1, width=8, heads=1, depth=1)(x).shape == (2, 8, 2, 2)

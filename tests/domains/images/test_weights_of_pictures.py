"""Weights of timm's networks in ours: the same answers, gray pictures, other sizes; files that do not fit are refused."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from picture_groups import drawn, encoder, pictures
from safetensors.torch import save_file

from trainwright.config.errors import ConfigError
from trainwright.domains.images.models.weights import name_encoder

TIMM = Path(sys.executable).parents[1] / "timm"
COMPARE = """
import torch
library = torch.library.Library("torchvision", "DEF")
library.define("nms(Tensor a, Tensor b, float c) -> Tensor"); library.define("qnms(Tensor a, Tensor b, float c) -> Tensor")
import timm
from safetensors.torch import save_file
from picture_groups import encoder, pictures
for name, ours, side in (
    ("resnet18", {"type": "image_resnet", "stem": "imagenet"}, 64),
    ("convnext_atto", {"type": "image_convnext"}, 64),
    ("convnextv2_atto", {"type": "image_convnext", "grn": True, "layer_scale": 0}, 64),
    ("vit_tiny_patch16_224", {"type": "vit"}, 64),
):
    torch.manual_seed(0)
    theirs = timm.create_model(name, num_classes=7, **({"dynamic_img_size": True} if "vit" in name else {})).eval()
    for each in theirs.parameters():
        each.data += 0.02 * torch.randn_like(each)
    save_file({key: each.contiguous() for key, each in theirs.state_dict().items()}, f"{name}.safetensors")
    made = encoder(ours.pop("type"), pictures(side), weights=f"{name}.safetensors", **ours).eval()
    x = torch.randn(2, 3, side, side)
    with torch.no_grad():
        wanted = theirs.forward_head(theirs.forward_features(x), pre_logits=True)
        torch.testing.assert_close(made({"value": x.unsqueeze(1)})[:, 0], wanted, rtol=1e-4, atol=1e-5)
    print(name)
"""


@pytest.mark.skipif(not TIMM.is_dir(), reason="timm is not there")
def test_networks_with_weights_of_timm_give_what_timm_gives(tmp_path: Path) -> None:
    paths = [str(Path(__file__).parent), str(TIMM), *sys.path]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(each for each in paths if each)}
    done = subprocess.run([sys.executable, "-c", COMPARE], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["resnet18", "convnext_atto", "convnextv2_atto", "vit_tiny_patch16_224"]


SMALL: dict[str, Any] = {"depth": [1, 1], "widths": [4, 8], "stem": "cifar"}


def test_a_gray_stem_answers_a_gray_picture_as_the_colours_did(tmp_path: Path) -> None:
    group = pictures(16)
    made = encoder("image_resnet", group, **SMALL).eval()
    save_file(made.network.state_dict(), tmp_path / "colours.safetensors")
    gray = encoder("image_resnet", pictures(16, 1), weights=str(tmp_path / "colours.safetensors"), **SMALL).eval()
    value = drawn(pictures(16, 1))["value"]
    torch.testing.assert_close(gray({"value": value}), made({"value": value.expand(-1, -1, 3, -1, -1)}))


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    made = encoder("vit", pictures(32), width=8, depth=1, heads=1, patch=8)
    save_file(made.network.state_dict(), tmp_path / "vit.safetensors")
    with pytest.raises(ConfigError, match="another architecture"):
        encoder("image_resnet", pictures(16), weights=str(tmp_path / "vit.safetensors"), **SMALL)
    with pytest.raises(ConfigError, match="gone"):
        encoder("image_resnet", pictures(16), weights=str(tmp_path / "gone.safetensors"), **SMALL)


def test_names_of_the_convnext_paper_are_those_of_timm() -> None:
    one = torch.zeros(1)
    paper = ["downsample_layers.0.1.weight", "downsample_layers.2.0.bias", "stages.2.1.dwconv.weight", "stages.0.0.grn.gamma"]
    timm = ["stem.1.weight", "stages.2.downsample.0.bias", "stages.2.blocks.1.conv_dw.weight", "stages.0.blocks.0.mlp.grn.weight"]
    there = name_encoder(dict.fromkeys([*timm, "head.norm.weight", "head.fc.weight"], one), "image_convnext")
    assert list(name_encoder(dict.fromkeys([*paper, "norm.weight", "head.weight"], one), "image_convnext")) == list(there)

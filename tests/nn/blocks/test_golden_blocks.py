"""Blocks with the weights of other libraries' blocks give what those gave."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from filled import assert_golden, fill, numbers
from torch import Tensor, nn

from trainwright.nn import blocks

IMAGE = ("input", 2, 8, 5, 5)
Made = Callable[[], nn.Module]
CASES: dict[str, Made] = {
    "basic_block": lambda: blocks.BasicBlock(8),
    "basic_block_stride": lambda: blocks.BasicBlock(8, 12, stride=2),
    "basic_block_squeeze": lambda: blocks.BasicBlock(8, squeeze=4),
    "basic_block_preactivation": lambda: blocks.BasicBlock(8, 16, stride=2, preactivation=True),
    "bottleneck": lambda: blocks.Bottleneck(8, 32, stride=2, groups=2, shortcut="pool"),
    "bottleneck_preactivation": lambda: blocks.Bottleneck(8, 32, stride=2, preactivation=True),
    "convnext_block": lambda: blocks.ConvNeXtBlock(8),
    "convnext_block_grn": lambda: blocks.ConvNeXtBlock(8, layer_scale=0, grn=True),
    "map_attention": lambda: blocks.MapAttention(8, heads=2, groups=4),
}


@pytest.mark.parametrize("case", CASES)
def test_a_block_gives_what_the_reference_gives(case: str) -> None:
    assert_golden(case, fill(CASES[case]())(numbers(*IMAGE)))


@pytest.mark.parametrize(("case", "conditioning"), [("scale_shift", "scale_shift"), ("default", "add")])
def test_a_block_under_an_embedding_gives_what_the_reference_gives(case: str, conditioning: str) -> None:
    block = fill(blocks.UNetBlock(8, 12, embedding=6, groups=4, conditioning=conditioning))
    assert_golden(f"unet_block_{case}", block(numbers(*IMAGE), numbers("embedding", 2, 6)))


@pytest.mark.parametrize(("case", "conditioning"), [("scale_shift", "scale_shift"), ("default", "add")])
def test_a_unet_gives_what_the_reference_gives(case: str, conditioning: str) -> None:
    options = {"multipliers": [1, 2], "depth": 1, "attention": [1], "heads": 2, "groups": 4}
    unet = fill(blocks.UNet(2, 3, width=8, time="sinusoidal", conditioning=conditioning, **options))
    assert_golden(f"unet_{case}", unet(numbers("picture", 2, 2, 6, 6), torch.tensor([3, 700])))


def test_pieces_are_embedded_as_in_the_reference() -> None:
    assert_golden("patch_embedding", fill(blocks.PatchEmbedding(8, 6, 4))(numbers("patches", 2, 8, 12, 12)))


def test_steps_are_embedded_as_in_the_reference() -> None:
    assert_golden("sinusoidal_embedding", blocks.SinusoidalEmbedding(10)(torch.tensor([0, 1, 17, 999])))


def zero_beside_the_middle(block: nn.Module, flat: nn.Module) -> None:
    """The weights of a block of one dimension in the middle of those of two, which is 0 beside it."""
    found = block.state_dict()
    for name, each in flat.state_dict().items():
        if each.dim() == 3 and found[name].dim() == 4:
            wide = torch.zeros_like(found[name])
            wide[..., wide.shape[-1] // 2] = each
            found[name] = wide
        else:
            found[name] = each
    block.load_state_dict(found)


SIZES: dict[str, Callable[[int], nn.Module]] = {
    "basic_block": lambda dims: blocks.BasicBlock(8, 12, dims=dims, kernel=5, dilation=2, squeeze=2),
    "bottleneck": lambda dims: blocks.Bottleneck(8, 16, dims=dims, preactivation=True),
    "convnext_block": lambda dims: blocks.ConvNeXtBlock(8, dims=dims, grn=True),
    "unet_block": lambda dims: blocks.UNetBlock(8, 12, dims=dims, groups=4),
    "strided_embedding": lambda dims: blocks.StridedEmbedding(8, 6, [8, 4], dims=dims, norm="channel"),
}


@pytest.mark.parametrize("case", SIZES)
def test_a_signal_is_an_image_of_one_column(case: str) -> None:
    torch.manual_seed(0)
    flat, wide = fill(SIZES[case](1)), SIZES[case](2).eval()
    zero_beside_the_middle(wide, flat)
    x = numbers("signal", 2, 8, 21)
    wide_output: Tensor = wide(x.unsqueeze(-1))
    torch.testing.assert_close(flat(x), wide_output if case == "strided_embedding" else wide_output.squeeze(-1), rtol=1e-5, atol=1e-5)

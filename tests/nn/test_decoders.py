"""Decoders: one output per target and member."""

from __future__ import annotations

import pytest
import torch

from trainwright.config.model import PartConfig
from trainwright.config.registry import build
from trainwright.features.spec import TargetSpec
from trainwright.nn.decoders import LinearDecoderOptions, MLPDecoderOptions


@pytest.mark.parametrize("options", [LinearDecoderOptions(), MLPDecoderOptions(width=8, dropout=0.1)], ids=lambda each: each.type)
@pytest.mark.parametrize("members", [1, 3])
def test_a_decoder_gives_each_member_the_targets_outputs(options: PartConfig, members: int) -> None:
    decoder = build("decoder", options, width=5, members=members, target=TargetSpec("t", "category", 4)).eval()
    x = torch.randn(2, 5) if members == 1 else torch.randn(2, members, 5)
    assert decoder(x).shape == ((2, 4) if members == 1 else (2, members, 4))
    if members > 1:
        moved = x.clone()
        moved[:, 1] += 1
        changed = (decoder(moved) != decoder(x)).any(dim=2).any(dim=0).tolist()
        assert changed == [False, True, False]


@pytest.mark.parametrize("members", [1, 3])
def test_a_linear_decoder_may_begin_small(members: int) -> None:
    given = []
    for scale in (1.0, 0.001):
        torch.manual_seed(0)
        target = TargetSpec("t", "category", 4)
        given.append(build("decoder", LinearDecoderOptions(init_scale=scale), width=5, members=members, target=target))
    for plain, small in zip(*(each.parameters() for each in given), strict=True):
        assert torch.equal(small, plain * 0.001) and small.requires_grad

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

"""Weights rounded for good by torchao: plain tensors, a quarter as large, within half a step."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from trainwright.config.errors import ConfigError
from trainwright.nn.quantization.weight_only import round_weights


def test_int8_weights_are_plain_tensors_a_quarter_as_large_and_half_a_step_away() -> None:
    torch.manual_seed(0)
    model, rows = nn.Sequential(nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, 10)), torch.randn(16, 128)
    first, before = model[0].weight.detach().clone(), model(rows)
    size = sum(each.nbytes for each in model.parameters())
    round_weights(model, "int8")
    kept = model.state_dict()
    assert {type(each) for each in kept.values()} <= {torch.Tensor, nn.Parameter}
    first_layer = {name: each for name, each in kept.items() if name.startswith("0.") and "bias" not in name}
    (whole,) = (each for each in first_layer.values() if each.dtype == torch.int8 and each.shape == first.shape)
    (scale,) = (each for each in first_layer.values() if each.is_floating_point())
    step = scale.reshape(-1, 1)
    assert bool(((first - step * whole).abs() <= step / 2 * (1 + 1e-4)).all())
    assert sum(each.nbytes for each in kept.values()) < 0.3 * size
    torch.testing.assert_close(model(rows), before, atol=0.02, rtol=0)


def test_int4_asks_for_a_card() -> None:
    with pytest.raises(ConfigError, match=r"int4 weights need a CUDA card(.|\n)*stored as int8(.|\n)*weights: int8"):
        round_weights(nn.Sequential(nn.Linear(128, 64)), "int4")


def test_a_model_without_dense_layers_is_told() -> None:
    with pytest.raises(ConfigError, match="no dense layer whose weights could be rounded"):
        round_weights(nn.Sequential(nn.Conv1d(2, 2, 3)), "int8")

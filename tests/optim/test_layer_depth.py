"""Layers are found where people would count them."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from trainwright.optim.layer_depth import layers_of


class Transformer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.token = nn.Parameter(torch.zeros(1, 1, 8))
        self.patches = nn.Conv2d(3, 8, 4)
        self.blocks = nn.ModuleList([nn.TransformerEncoderLayer(8, 2, 16, batch_first=True) for _ in range(3)])
        self.norm = nn.LayerNorm(8)
        self.head = nn.Linear(8, 2)


class Block(nn.Module):
    def __init__(self, widens: bool) -> None:
        super().__init__()
        self.conv, self.bn = nn.Conv2d(4, 4, 3), nn.BatchNorm2d(4)
        self.downsample = nn.Sequential(nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4)) if widens else nn.Identity()


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.bn = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)
        self.layer1 = nn.Sequential(Block(False), Block(False))
        self.layer2 = nn.Sequential(Block(True), Block(False))
        self.fc = nn.Linear(4, 2)


class Branches(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.encoders = nn.ModuleDict({"image": Residual(), "table": nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 2))})
        self.decoder = nn.Linear(4, 2)


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(5, 4)
        self.blocks = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
        self.out = nn.Linear(4, 5)
        self.out.weight = self.embed.weight


CASES: list[tuple[nn.Module, list[list[str]]]] = [
    (Transformer(), [["token", "patches"], ["blocks.0"], ["blocks.1"], ["blocks.2"], ["norm", "head"]]),
    (Residual(), [["conv", "bn"], ["layer1.0"], ["layer1.1"], ["layer2.0"], ["layer2.1"], ["fc"]]),
    (
        nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2), nn.ReLU(), nn.Linear(2, 2), nn.BatchNorm1d(2)),
        [["0", "1"], ["3", "4"]],
    ),
    (
        nn.Sequential(Residual(), nn.Linear(2, 2)),
        [["0.conv", "0.bn"], *([f"0.layer{i}.{j}"] for i in (1, 2) for j in (0, 1)), ["0.fc"], ["1"]],
    ),
    (
        Branches(),
        [
            ["encoders.image.conv", "encoders.image.bn"],
            *([f"encoders.image.layer{i}.{j}"] for i in (1, 2) for j in (0, 1)),
            ["encoders.image.fc", "encoders.table"],
            ["decoder"],
        ],
    ),
    (nn.Linear(2, 2), [[]]),
]


@pytest.mark.parametrize(("network", "expected"), CASES, ids=lambda each: type(each).__name__)
def test_layers_run_from_the_stem_over_the_blocks_to_the_head(network: nn.Module, expected: list[list[str]]) -> None:
    assert [layer.modules for layer in layers_of(network)] == expected


@pytest.mark.parametrize("network", [network for network, _ in CASES] + [Tied()], ids=lambda each: type(each).__name__)
def test_every_parameter_is_in_one_layer(network: nn.Module) -> None:
    names = [name for layer in layers_of(network) for name in layer.names]
    assert sorted(names) == sorted(name for name, _ in network.named_parameters())


def test_a_shared_parameter_is_where_it_is_met_first() -> None:
    assert next(layer.names for layer in layers_of(Tied())) == ["embed.weight"]

"""Units that change nothing are taken out, the answers stay; what cannot be followed stays, with the reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from trainwright.deploy.shrinking.shrinking import Shrinkage, shrink
from trainwright.domains.deliverable import ROWS, Deliverable, Given
from trainwright.domains.predictor import Field, Tensors


class Wrapped(nn.Module):
    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, raw: Tensors) -> Tensors:
        return {"y": self.network(raw["x"])}


class Made(Deliverable):
    """A module of one input, as kinds of runs give theirs."""

    def __init__(self, network: nn.Module, shape: Sequence[int]) -> None:
        self.module, self.shape = Wrapped(network).eval(), tuple(shape)
        self.inputs = [Given("x", "x", "float32", (ROWS, *shape))]
        self.outputs = [Field("y", "float32", ())]

    def example_of(self, sizes: Mapping[str, int]) -> Tensors:
        return {"x": torch.randn(sizes[ROWS], *self.shape, generator=torch.Generator().manual_seed(1))}

    def read(self, rows: Any) -> Tensors:
        return {"x": rows}

    def columns(self, outputs: Tensors) -> Any:
        return outputs


def zero_rows(layer: nn.Module, rows: slice) -> None:
    layer.weight.data[rows] = 0  # type: ignore[union-attr]


def shrunk(network: nn.Module, shape: Sequence[int]) -> tuple[Shrinkage, float]:
    """What became of a network, and the largest difference on rows that it was not compared on."""
    found = shrink(Made(network, shape))
    x = torch.randn(50, *shape, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        whole, smaller = network(x), found.module({"x": x})["y"]
    return found, float((whole - smaller).abs().max())


def dense(act: nn.Module) -> nn.Sequential:
    torch.manual_seed(0)
    made = nn.Sequential(nn.Linear(6, 16), act, nn.Dropout(), nn.Linear(16, 12), nn.BatchNorm1d(12), act, nn.Linear(12, 3)).eval()
    made[4].running_mean.normal_()  # type: ignore[operator, union-attr]
    zero_rows(made[0], slice(4, 12))
    zero_rows(made[3], slice(0, 5))
    made[6].weight.data[:, 11] = 0
    return made


@pytest.mark.parametrize("name", ["ReLU", "GELU", "Sigmoid"])
def test_constants_of_empty_rows_go_into_the_next_bias_and_unread_units_go(name: str) -> None:
    found, difference = shrunk(dense(getattr(nn, name)()), [6])
    assert found.units == {"network.0.weight": (16, 8), "network.3.weight": (12, 6)} and not found.left
    assert difference <= 1e-6 and found.difference <= 1e-6
    layers: Any = found.module.network
    assert [layers[0].out_features, layers[3].in_features, layers[4].num_features, layers[6].in_features] == [8, 8, 6, 6]


def test_channels_go_through_batch_norm_pools_and_flatten() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(
        *(nn.Conv2d(2, 8, 3, padding=1, bias=False), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(8, 10, 3, bias=False), nn.BatchNorm2d(10), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(40, 3)),
    ).eval()
    zero_rows(network[0], slice(0, 3))  # without a bias they give zeros, which padding adds too
    zero_rows(network[3], slice(2, 6))  # batch norm makes constants of them, which the last bias takes
    network[4].running_mean.normal_()  # type: ignore[operator, union-attr]
    found, difference = shrunk(network, [2, 10, 10])
    assert found.units == {"network.0.weight": (8, 5), "network.3.weight": (10, 6)} and difference <= 1e-6
    assert tuple(found.module.network[8].weight.shape) == (3, 24)  # type: ignore[index, union-attr]


def test_a_constant_that_padding_would_surround_by_zeros_stays() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(2, 6, 3), nn.Sigmoid(), nn.Conv2d(6, 3, 3, padding=1)).eval()
    zero_rows(network[0], slice(0, 3))
    assert shrunk(network, [2, 9, 9])[0].units == {}
    network[2].padding = (0, 0)
    found, difference = shrunk(network, [2, 9, 9])
    assert found.units == {"network.0.weight": (6, 3)} and difference <= 1e-6


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.last = nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(x + self.second(torch.relu(self.first(x))))


class Counting(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(4, 6), nn.Linear(6, 2)

    def forward(self, x: Tensor) -> Tensor:
        y = torch.relu(self.first(x))
        return self.last(y) * self.first.weight.shape[0] / 6


def test_what_cannot_be_followed_stays_with_the_reason() -> None:
    torch.manual_seed(0)
    residual = Residual().eval()
    zero_rows(residual.first, slice(0, 2))
    zero_rows(residual.second, slice(0, 2))
    found, difference = shrunk(residual, [4])
    assert found.units == {"network.first.weight": (4, 2)} and difference <= 1e-6
    assert found.left["network.second.weight"] == "its units go into add"
    counting = Counting().eval()
    zero_rows(counting.first, slice(0, 3))
    found, difference = shrunk(counting, [4])
    assert not found.units and "the answers would differ" in found.left["network.first.weight"] and difference == 0.0
    tied = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 2)).eval()
    tied[2].weight = tied[0].weight
    zero_rows(tied[0], slice(0, 2))
    assert set(shrunk(tied, [4])[0].left.values()) == {"a weight is used in several places"}


def test_one_unit_stays_and_a_network_without_empty_rows_is_as_it_was() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 2)).eval()
    assert shrunk(network, [4])[0].units == {}
    zero_rows(network[0], slice(0, 5))
    found, difference = shrunk(network, [4])
    assert found.units == {"network.0.weight": (5, 1)} and difference <= 1e-6

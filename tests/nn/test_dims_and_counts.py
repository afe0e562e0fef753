from __future__ import annotations

import pytest
import torch
from torch import nn

from trainwright.nn.counting import n_params
from trainwright.nn.dims import append_dims


@pytest.mark.parametrize(
    ("shape", "target", "made"), [((3, 4), 4, (3, 4, 1, 1)), ((8,), 4, (8, 1, 1, 1)), ((2, 3), 2, (2, 3)), ((), 2, (1, 1))]
)
def test_dimensions_are_appended_at_the_end(shape: tuple[int, ...], target: int, made: tuple[int, ...]) -> None:
    assert append_dims(torch.zeros(shape), target).shape == made


def test_appended_dimensions_keep_the_values_and_the_graph() -> None:
    x = torch.arange(6.0).view(2, 3).requires_grad_()
    grown = append_dims(x, 5)
    assert torch.equal(grown.flatten(), x.flatten())
    grown.sum().backward()
    assert x.grad is not None and torch.equal(x.grad, torch.ones(2, 3))


def test_fewer_dimensions_than_there_are_is_refused() -> None:
    with pytest.raises(ValueError, match="input has 3 dims but target_dims is 2, which is less"):
        append_dims(torch.zeros(1, 2, 3), 2)


def test_parameters_are_counted_once_frozen_ones_too() -> None:
    shared = nn.Linear(10, 10)
    model = nn.Sequential(shared, nn.ReLU(), shared, nn.Linear(10, 2).requires_grad_(False))
    assert n_params(model) == 110 + 22
    assert n_params(nn.ReLU()) == 0
    assert n_params(nn.ParameterList([torch.zeros(10, 10), torch.zeros(20, 20), torch.zeros(30, 30)])) == 1400
    assert n_params(nn.BatchNorm1d(4)) == 8  # its buffers are no parameters

"""What a loss needs is found by name in the model's output or in the batch, and what is missing is named."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from trainwright.config.errors import ConfigError, DataError
from trainwright.losses.build import criterion

X, Y = torch.randn(4, 3, generator=torch.Generator().manual_seed(0)), torch.tensor([0, 1, 2, 1])
OTHER = X.flip(0)
LEFT_OUT = functional.cross_entropy(X, torch.tensor([0, -100, 2, 1]))
FUNCTION_NAMES = {
    functional.mse_loss: "mse",
    functional.l1_loss: "l1",
    functional.smooth_l1_loss: "smooth_l1",
    functional.cross_entropy: "cross_entropy",
    functional.nll_loss: "nll",
    functional.binary_cross_entropy: "bce",
    functional.binary_cross_entropy_with_logits: "bce_with_logits",
}


class Out(NamedTuple):
    features: Tensor
    logits: Tensor


@pytest.mark.parametrize("output", [X, (X, OTHER), {"logits": X, "aux": OTHER}, {"scores": X}, [X]])
def test_one_output_is_found_whatever_the_model_gives(output: Any) -> None:
    torch.testing.assert_close(criterion("cross_entropy")(output, Y), functional.cross_entropy(X, Y))


def test_inputs_names_the_output_the_target_and_the_rest() -> None:
    named = criterion({"type": "cross_entropy", "inputs": {"output": "aux", "target": "second"}})
    torch.testing.assert_close(named({"logits": X, "aux": OTHER}, None, {"second": Y}), functional.cross_entropy(OTHER, Y))
    torch.testing.assert_close(criterion({"type": "mse", "inputs": {"output": 1}})((X, OTHER), OTHER), torch.tensor(0.0))
    by_field = criterion({"type": "cross_entropy", "inputs": {"output": "logits"}})
    torch.testing.assert_close(by_field(Out(OTHER, X), Y), functional.cross_entropy(X, Y))


def test_pairs_and_triplets_come_by_place_by_name_and_as_one_tensor() -> None:
    expected = functional.triplet_margin_loss(X, OTHER, -X)
    made = criterion("TripletMarginLoss")
    torch.testing.assert_close(made((X, OTHER, -X), None), expected)
    torch.testing.assert_close(made({"positive": OTHER, "negative": -X, "anchor": X}, None), expected)
    torch.testing.assert_close(made(torch.stack([X, OTHER, -X], dim=1), None), expected)
    named = criterion({"type": "triplet", "inputs": {"anchor": "a", "positive": "p"}})
    torch.testing.assert_close(named({"a": X, "p": OTHER}, None, {"negative": -X}), expected)


def test_a_function_of_torch_is_the_loss_of_its_name() -> None:
    for function, name in FUNCTION_NAMES.items():
        assert criterion(function).name == name
    assert criterion("torch.nn.functional.huber_loss").name == "huber"
    torch.testing.assert_close(criterion(functional.cross_entropy)(X, torch.tensor([0, -100, 2, 1])), LEFT_OUT)


def city(a: Tensor, b: Tensor) -> Tensor:
    return (a - b).abs().sum(-1)


def test_a_distance_may_be_a_function() -> None:
    options = {"type": "triplet_margin_with_distance", "distance_function": city, "margin": 9.0}
    expected = functional.triplet_margin_with_distance_loss(X, OTHER, -X, distance_function=city, margin=9.0)
    torch.testing.assert_close(criterion(options)((X, OTHER, -X), None), expected)
    torch.testing.assert_close(criterion([options])((X, OTHER, -X), None), expected)


def test_a_missing_argument_is_named_with_what_is_there() -> None:
    target = torch.ones(2, 3).long()
    with pytest.raises(DataError, match="the loss 'ctc' needs 'input_lengths'") as error:
        criterion({"type": "ctc", "log_softmax": True})(torch.randn(9, 2, 5), target, {"x": X, "target": target})
    assert error.value.why == "the model gives one tensor (9, 2, 5); the batch holds x (4, 3), target (2, 3)"
    assert "inputs: {input_lengths: KEY}" in error.value.fix
    with pytest.raises(DataError, match=r"needs 'input_lengths' \(called 'lengths'\)"):
        criterion({"type": "ctc", "inputs": {"input_lengths": "lengths"}})(torch.randn(9, 2, 5), target, {"x": X})
    with pytest.raises(DataError, match="needs 'negative'") as error:
        criterion("triplet")({"anchor": X, "positive": X}, None)
    assert "the model gives anchor (4, 3), positive (4, 3)" in error.value.why
    with pytest.raises(DataError, match="the loss 'mse' needs 'output'"):
        criterion("mse")({"a": X, "b": X}, X)


OWN = """
import torch
from torch import nn

def scaled(output, target, scale=1.0):
    return scale * ((output - target) ** 2).mean()

def masked(output, target, mask):
    return ((output - target) ** 2 * mask).sum(dim=1)

def city(a, b):
    return (a - b).abs().sum(-1)

class Power(nn.Module):
    def __init__(self, p=2):
        super().__init__()
        self.p = p
    def forward(self, output, target):
        return (output - target).abs().pow(self.p).mean()

def number(output, target):
    return 3.0
"""


@pytest.fixture
def own(tmp_path: Path) -> str:
    (tmp_path / "loss.py").write_text(OWN)
    return str(tmp_path / "loss.py")


def test_functions_and_classes_at_a_path_are_losses_with_their_options(own: str) -> None:
    torch.testing.assert_close(criterion(f"{own}:scaled")(X, OTHER), functional.mse_loss(X, OTHER))
    torch.testing.assert_close(criterion({"type": f"{own}:scaled", "scale": 2.0})(X, OTHER), 2 * functional.mse_loss(X, OTHER))
    torch.testing.assert_close(criterion({"type": f"{own}:Power", "p": 1})(X, OTHER), functional.l1_loss(X, OTHER))
    with pytest.raises(ConfigError, match="does not take these options") as error:
        criterion({"type": f"{own}:scaled", "skale": 2.0})
    assert error.value.fix == "its signature is scaled(output, target, scale=1.0)"


def test_a_function_finds_its_further_parameters_by_name(own: str) -> None:
    mask = torch.tensor([[1.0, 0, 1]]).expand(4, 3)
    total, count = criterion(f"{own}:masked").total(X, OTHER, {"mask": mask})
    torch.testing.assert_close(total, ((X - OTHER) ** 2 * mask).sum())
    assert count == 4
    named = criterion({"type": f"{own}:masked", "inputs": {"mask": "valid"}})
    torch.testing.assert_close(named.total(X, OTHER, {"valid": mask})[0], total)
    with pytest.raises(DataError, match="needs 'mask'"):
        criterion(f"{own}:masked")(X, OTHER, {"x": X})


def test_a_function_must_give_a_tensor(own: str) -> None:
    with pytest.raises(DataError, match="gives a float, not a tensor") as error:
        criterion(f"{own}:number").check(X, OTHER)
    assert ".item()" in error.value.fix
    with pytest.raises(DataError, match="gives nothing"):
        criterion(lambda output, target: None)(X, OTHER)


def test_a_distance_of_ones_own_serves_triplets(own: str) -> None:
    made = criterion({"type": "triplet_margin_with_distance", "distance_function": f"{own}:city", "margin": 0.5})
    expected = ((X - OTHER).abs().sum(1) - (X - 2 * X).abs().sum(1) + 0.5).clamp_min(0).mean()
    torch.testing.assert_close(made((X, OTHER, 2 * X), None), expected)


def test_a_scalar_is_the_mean_over_rows_and_a_tensor_has_every_element() -> None:
    scalar = criterion(lambda output, target: ((output - target) ** 2).mean())
    each = criterion(lambda output, target: (output - target) ** 2)
    assert scalar.total(X, OTHER)[1] == 4 and each.total(X, OTHER)[1] == 12
    torch.testing.assert_close(scalar(X, OTHER), each(X, OTHER))

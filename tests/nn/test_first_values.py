"""Weights that nothing has filled are refused by name before anything is written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import trainwright as tw
from trainwright.config.errors import ConfigError
from trainwright.files.tensors import save_tensors
from trainwright.nn.first_values import refuse_unfilled
from trainwright.tools.graph.model import Graph

NODES = "init: {how}\nnodes: [{{Linear: [8, 16]}}, ReLU, {{Linear: [16, 3]}}]"
ROWS = torch.randn(32, 8), torch.randint(0, 3, (32,))


def made(how: str) -> Graph:
    text = "device: meta\nnodes: [{Linear: [8, 16]}, ReLU, {Linear: [16, 3]}]" if how == "meta" else NODES.format(how=how)
    return Graph.from_yaml(text)


def fit(model: nn.Module, place: Path, **more: Any) -> None:
    tw.fit(model, ROWS, loss="cross_entropy", max_steps=2, run_dir=place, console=False, **more)


@pytest.mark.parametrize("how", ["skip", "meta"])
def test_weights_that_are_not_made_are_refused_and_nothing_is_written(how: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nothing fills these weights: (model\.)?linear.weight"):
        fit(made(how), tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("how", ["skip", "meta"])
def test_weights_that_follow_are_weights(how: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    source, model = made("default"), made(how)
    tw.load_weights(model, source.state_dict())
    refuse_unfilled(model)
    fit(model, tmp_path / "run")


@pytest.mark.parametrize("how", ["skip", "meta"])
def test_of_weights_that_follow_in_part_the_rest_is_named(how: str, tmp_path: Path) -> None:
    model = made(how)
    some = {name: value for name, value in made("default").state_dict().items() if name.startswith("linear.")}
    save_tensors(tmp_path / "some.safetensors", some)
    tw.load_weights(model, tmp_path / "some.safetensors", partial=True)
    with pytest.raises(ConfigError, match=r"these weights: linear_2\.weight, linear_2\.bias\n") as error:
        refuse_unfilled(model)
    assert "linear.weight" not in error.value.what


def test_skipped_weights_that_a_rule_fills_are_weights() -> None:
    model = made("skip")
    for module in model.modules():
        if isinstance(module, nn.Linear):
            module.reset_parameters()
    refuse_unfilled(model)


@pytest.mark.parametrize(("value", "word"), [(float("nan"), "NaN"), (float("inf"), "infinite"), (1e30, "as large as")])
def test_weights_that_are_no_numbers_are_refused(value: float, word: str, tmp_path: Path) -> None:
    model = nn.Sequential(nn.Linear(8, 4), nn.Linear(4, 3))
    model[1].weight.data[0, 0] = value
    with pytest.raises(ConfigError, match=rf"these weights are {word}.*before the first step: model.1.weight"):
        fit(model, tmp_path / "run")


def test_a_mask_of_infinities_is_no_weight(tmp_path: Path) -> None:
    model = nn.Sequential(nn.Linear(8, 3))
    model.register_buffer("mask", torch.full((3, 3), float("-inf")).triu(1))
    fit(model, tmp_path / "run")


class Branch(nn.Module):
    """Has a lazy layer that no batch reaches."""

    def __init__(self) -> None:
        super().__init__()
        self.used, self.never = nn.LazyLinear(3), nn.LazyLinear(3)

    def forward(self, x: Tensor) -> Tensor:
        return self.used(x)  # type: ignore[no-any-return]


def test_a_lazy_layer_that_no_batch_reaches_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"these weights have no size yet: model\.never\.weight, model\.never\.bias"):
        fit(Branch(), tmp_path / "run")
    fit(nn.Sequential(nn.LazyLinear(3)), tmp_path / "other")

"""An output and a field of the batch that have one name are told apart as `output.x` and `batch.x`."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from trainwright.config.errors import DataError
from trainwright.engine.system import StepContext
from trainwright.losses.wiring import argument, side_of
from trainwright.systems.plain import PlainSystem


class Net(nn.Module):
    """Gives back an `x` of its own beside what it is given as `x`."""

    def forward(self, x):
        return {"x": x * 2, "0.5": x}


def rebuilt(output, target):
    return (output - target).abs().sum(1)


def loss_of(**inputs: str | int) -> float:
    system = PlainSystem(Net(), loss={"type": f"{__file__}:rebuilt", "inputs": inputs})
    batch = {"x": torch.ones(3, 2), "y": torch.zeros(3)}
    return float(system.training_step(batch, StepContext(0, 0, 0.0, torch.default_generator)).total) / 3


def test_names_are_looked_for_on_the_side_that_is_said() -> None:
    output, batch = {"x": 1, "output.y": 3}, {"x": 2, "y": 4}
    found = {name: argument("a", output, batch, {"a": name}, "own") for name in ("x", "output.x", "batch.x", "batch.y", "output.y")}
    assert found == {"x": 1, "output.x": 1, "batch.x": 2, "batch.y": 4, "output.y": 3}  # a key that is so called is itself
    assert argument("a", (5, 6), (7, 8), {"a": "batch.1"}, "own") == 8
    assert side_of("encoder.x") == ("", "encoder.x")
    with pytest.raises(DataError, match=r"called 'output\.y'") as refused:
        argument("a", {"x": 1}, batch, {"a": "output.y"}, "own")
    assert "batch.KEY or output.KEY" in refused.value.fix


def test_a_loss_of_an_input_and_what_is_made_of_it_trains_the_model_on_that_input() -> None:
    assert loss_of(output="output.x", target="batch.x") == 2.0
    assert loss_of(output="batch.x", target="output.x") == 2.0
    assert loss_of(output="output.x", target="output.x") == 0.0

"""LAMB gives timm's numbers, and names of timm's optimizers are understood."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from optimizer_cases import optimizer_of
from torch import nn

from trainwright.config.choice import choose
from trainwright.optim import ALIASES

# timm 1.0.31: Lamb([w, b], lr=0.1, **options) in double, after three steps with the gradients below
OF_TIMM: list[tuple[dict[str, Any], list[float]]] = [
    ({}, [0.388157426305, -0.874519598635, 1.847244872862, 0.144975999298, 0.056903770657, -0.156859152544]),
    ({"weight_decay": 0.0}, [0.371851802082, -0.871851559469, 1.871852287306, 0.121851478598, -0.180624858505, 0.080616081227]),
    (
        {"weight_decay": 0.5, "trust_clip": True},
        [0.336532181689, -0.770522037922, 1.638502672803, 0.119536915353, 0.057995912459, -0.155867851029],
    ),
    ({"max_grad_norm": None}, [0.37966592458, -0.876000851102, 1.868670945687, 0.131498372754, 0.056902842091, -0.156860074868]),
]


@pytest.mark.parametrize(("options", "wanted"), OF_TIMM, ids=["default", "no decay", "clipped ratio", "no largest norm"])
def test_lamb_gives_timms_numbers(options: dict[str, Any], wanted: list[float]) -> None:
    w = nn.Parameter(torch.tensor([[0.5, -1.0], [2.0, 0.25]], dtype=torch.float64))
    b = nn.Parameter(torch.tensor([0.1, -0.2], dtype=torch.float64))
    optimizer = optimizer_of({"type": "lamb", "learning_rate": 0.1, **options}, {"w": w, "b": b})
    for step in range(3):
        w.grad = torch.tensor([[1.0, -2.0], [0.5, 3.0]], dtype=torch.float64) * (step + 1) * (-1) ** step
        b.grad = torch.tensor([0.3, -0.1], dtype=torch.float64)
        optimizer.step()
    assert [*w.flatten().tolist(), *b.tolist()] == pytest.approx(wanted, rel=1e-6)  # counts of steps are float32 here


@pytest.mark.parametrize(("theirs", "ours"), [("lookahead_adam", "adam"), ("lookahead_lamb", "lamb"), ("Lookahead_RAdam", "radam")])
def test_lookahead_before_a_name_is_lookahead_around_that_optimizer(theirs: str, ours: str) -> None:
    made = choose("optimizer", theirs)
    assert made.type == "lookahead" and made.inner.type == ours


def test_names_of_timms_optimizers_are_members_of_timm() -> None:
    assert choose("optimizer", {"type": "adamp", "learning_rate": 0.2}).name == "adamp"
    assert {choose("optimizer", each).type for each in ALIASES} == {"timm"}

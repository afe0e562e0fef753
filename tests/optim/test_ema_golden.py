"""The moving average and its growing decay are those of timm's ModelEmaV3 (tests/optim/golden/timm_ema.json) and of closed forms."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from trainwright.optim.average_options import EMAOptions
from trainwright.optim.averages import Averages
from trainwright.optim.ema_warmup import EMAWarmup
from trainwright.optim.schedules.base import Extent

GOLDEN: dict[str, Any] = json.loads((Path(__file__).parent / "golden" / "timm_ema.json").read_text())
TABLES = [each for each in GOLDEN["tables"] if "get_decay(step)" in each]
RUNS = [each for each in GOLDEN["tables"] if "average after each update" in each]
AT_ONCE = 64
"""A power with which the decay is 0 at the first update, which copies, and full from the second."""


def warmup_like(kwargs: dict[str, Any]) -> dict[str, float]:
    """Options of timm's average as those of our warm-up."""
    known = {"warmup_gamma": "inv_gamma", "warmup_power": "power", "min_decay": "min_value", "update_after_step": "start_at"}
    given = {known[name]: value for name, value in kwargs.items() if name in known}
    return {"power": 2 / 3 if kwargs.get("use_warmup") else AT_ONCE} | given


def averaged(values: list[float], **options: Any) -> list[float]:
    """What the average of one weight that takes these values, one a step, is after each."""
    model = nn.Linear(1, 1, bias=False, dtype=torch.float64)
    nn.init.zeros_(model.weight)
    averages = Averages(EMAOptions.model_validate(options), None, model, Extent(steps_per_epoch=10, steps=10))
    found = []
    for step, value in enumerate(values, 1):
        nn.init.constant_(model.weight, value)
        averages.update(step)
        weights = averages.weights()
        assert weights is not None
        found.append(float(weights["weight"]))
    return found


@pytest.mark.parametrize("table", TABLES, ids=lambda table: json.dumps(table["kwargs"]))
def test_the_decay_of_each_step_is_that_of_timm(table: dict[str, Any]) -> None:
    options, decay = warmup_like(table["kwargs"]), table["kwargs"].get("decay", 0.9999)
    warmup = EMAWarmup(**options, max_value=decay)  # type: ignore[arg-type]
    for step, known in zip(GOLDEN["steps"], table["get_decay(step)"], strict=True):
        if step - 1 <= options.get("start_at", 0):
            known = options.get("min_value", 0.0)  # timm copies even where its least decay is more; k-diffusion and we keep that
        assert warmup.value_at(step - 1) == pytest.approx(known, abs=1e-12), step


@pytest.mark.parametrize("run", RUNS, ids=lambda run: json.dumps(run["kwargs"]))
def test_averages_of_ten_updates_are_those_of_timm(run: dict[str, Any]) -> None:
    first, *values = run["source values, one update(model, step=i) each"]  # theirs were updated at a step 0 too, which copies
    known = run["average after each update"]
    assert known[0] == first
    found = averaged(values, decay=run["kwargs"]["decay"], warmup=warmup_like(run["kwargs"]))
    assert found == pytest.approx(known[1:], abs=1e-12)


@pytest.mark.parametrize(
    ("warmup", "known"),
    [
        ({"power": AT_ONCE}, [1, 1.1, 1.29, 1.561, 1.9049]),
        ({"power": 2 / 3}, [1, 1.629961, 2.288607, 2.967774, 3.662785]),
        ({"power": 3 / 4}, [1, 1.594604, 2.211139, 2.843597, 3.488512]),
    ],
)
def test_averages_of_a_weight_that_rises_are_the_known_ones(warmup: dict[str, float], known: list[float]) -> None:
    decay = 0.9 if warmup["power"] == AT_ONCE else 0.9999
    assert averaged([1, 2, 3, 4, 5], decay=decay, warmup=warmup) == pytest.approx(known, abs=1e-6)


def test_without_a_warm_up_the_untrained_weights_are_part_of_the_average() -> None:
    assert averaged([1, 2, 3], decay=0.9, warmup=False) == pytest.approx([0.1, 0.29, 0.561], abs=1e-12)

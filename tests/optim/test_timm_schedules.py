"""Schedules as timm's train.py names them give timm's rates: written numbers of timm 1.0.31 (golden/timm_schedules.json)."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from trainwright.config.choice import choose
from trainwright.config.errors import ConfigError
from trainwright.optim.schedules.base import Extent, Schedule
from trainwright.optim.schedules.build import build_schedule

GOLDEN = json.loads((Path(__file__).parent / "golden" / "timm_schedules.json").read_text())
BASE, STEPS = 0.1, 5
NOISY = [
    0.0640842609107,
    0.0581109193522,
    0.0340354471084,
    0.0293714810114,
    0.0530788387137,
    0.0572300605476,
    0.0433020048764,
    0.0555745363498,
    0.0479044973735,
    0.0271100417177,
]
KINDS = {"Cosine": "cosine", "Tanh": "tanh", "Poly": "poly", "Step": "step", "MultiStep": "multistep", "WSD": "wsd", "Plateau": "plateau"}
WORDS = {"lr_min": "min_lr", "warmup_lr_init": "warmup_lr", "cycle_limit": "cycle_limit", "cycle_mul": "cycle_mul"}
PASSED = ("lr_min", "warmup_prefix", "cycle_limit", "cycle_mul", "cycle_decay", "k_decay", "power", "lb", "ub", "threshold")


def ours(kind: str, kwargs: dict[str, Any]) -> dict[str, Any]:
    """Our options for the arguments of a scheduler of timm; the docs' table (coming-from-timm) says the same in words."""
    found: dict[str, Any] = {"type": KINDS[kind], "per": "epoch", **{name: kwargs[name] for name in PASSED if name in kwargs}}
    if kind in ("Cosine", "Tanh", "Poly"):
        found["cycle"] = f"{kwargs['t_initial']} epochs"
        found.setdefault("cycle_limit", 1)
        found.setdefault("warmup_prefix", False)
    if kind == "Poly":
        found.setdefault("power", 0.5)
    if kind == "Step":
        found |= {"every": f"{kwargs['decay_t']} epochs", "decay_rate": kwargs["decay_rate"]}
    if kind == "MultiStep":
        found |= {"milestones": [f"{each - 1} epochs" for each in milestones(kwargs)], "decay_rate": kwargs["decay_rate"]}
    if kind == "WSD":
        shape = kwargs["decay_fn"].removeprefix("1-")
        found |= {"decay": f"{kwargs['decay_t']} epochs", "decay_shape": shape, "warmup": "0 epochs"}
    if kind == "Plateau":
        found |= {
            "decay_rate": kwargs["decay_rate"],
            "patience": kwargs["patience_t"] + 1,
            "mode": kwargs.get("mode", "max"),
            "relative": True,
        }
        found |= {"cooldown": kwargs.get("cooldown_t", 0), "threshold": kwargs.get("threshold", 1e-4)}
    if kwargs.get("warmup_t"):
        found |= {"warmup": f"{kwargs['warmup_t']} epochs", "warmup_lr": kwargs["warmup_lr_init"]}
    return found


def milestones(kwargs: dict[str, Any]) -> list[int]:
    """As epochs of the run."""
    before = kwargs.get("warmup_t", 0) if kwargs.get("warmup_prefix", True) else 0
    return [each + before for each in kwargs["decay_t"]]


def made(options: dict[str, Any], epochs: int) -> Schedule:
    return build_schedule(choose("schedule", options), Extent(STEPS, epochs * STEPS, BASE))


def rates(options: dict[str, Any], count: int) -> list[float]:
    schedule = made(options, count)
    return [BASE * schedule.factor(epoch * STEPS) for epoch in range(count)]


def kind_of(table: dict[str, Any]) -> str:
    return str(table["class"]).removesuffix("LRScheduler")


OF_EPOCHS = [table for table in GOLDEN["tables"] if table["kwargs"].get("t_in_epochs", True) and kind_of(table) != "Plateau"]


def test_every_scheduler_of_timm_is_looked_at() -> None:
    assert {kind_of(each) for each in GOLDEN["tables"]} == KINDS.keys() and len(OF_EPOCHS) > 25


@pytest.mark.parametrize("table", OF_EPOCHS, ids=lambda each: f"{kind_of(each)}-{OF_EPOCHS.index(each)}")
def test_rates_by_epoch_are_timms(table: dict[str, Any]) -> None:
    found = rates(ours(kind_of(table), table["kwargs"]), len(table["lr"]))
    # timm leaves the first rate as it was: a tangent that begins at −7 is a millionth below it
    assert found == pytest.approx(table["lr"], rel=1e-9, abs=1e-7 if kind_of(table) == "Tanh" else 1e-14)


def test_rates_by_update_are_timms() -> None:
    table = next(each for each in GOLDEN["tables"] if not each["kwargs"].get("t_in_epochs", True))
    kwargs = table["kwargs"]
    options = {"type": "cosine", "cycle": f"{kwargs['t_initial']} steps", "cycle_limit": 1, "min_lr": kwargs["lr_min"]}
    options |= {"warmup": f"{kwargs['warmup_t']} steps", "warmup_lr": kwargs["warmup_lr_init"]}
    schedule = build_schedule(choose("schedule", options), Extent(7, len(table["lr"]), BASE))
    assert [BASE * schedule.factor(step) for step in range(len(table["lr"]))] == pytest.approx(table["lr"], rel=1e-9)


@pytest.mark.parametrize(
    "table", [each for each in GOLDEN["tables"] if kind_of(each) == "Plateau"], ids=lambda each: str(len(str(each["kwargs"])))
)
def test_rates_of_a_plateau_are_timms(table: dict[str, Any]) -> None:
    metrics = table["metric"] if isinstance(table["metric"], list) else json.loads(table["metric"])
    schedule = made(ours("Plateau", table["kwargs"]), len(table["lr"]))
    warmup, found = table["kwargs"].get("warmup_t", 0), [BASE * schedule.factor(0)]
    for epoch, metric in enumerate(metrics):
        if epoch + 1 > warmup:  # timm shows it no metric while the rate rises
            schedule.observe(metric)
        found.append(BASE * schedule.factor((epoch + 1) * STEPS))
    assert found == pytest.approx(table["lr"], rel=1e-9)


@pytest.mark.parametrize("table", GOLDEN["create_scheduler_v2"], ids=lambda each: f"{each['kwargs']['sched']}-{each['epochs']}")
def test_train_py_gives_the_rates_that_its_flags_name_here(table: dict[str, Any]) -> None:
    kwargs, kind = table["kwargs"], table["kwargs"]["sched"]
    prefix, warmup = kwargs.get("warmup_prefix", False), kwargs["warmup_epochs"]
    options: dict[str, Any] = {"type": kind, "per": "epoch", "warmup": f"{warmup} epochs", "warmup_lr": kwargs["warmup_lr"]}
    options |= {"min_lr": kwargs["min_lr"]} if "min_lr" in kwargs else {}
    options |= {"step": {"every": "10 epochs"}, "multistep": {"milestones": ["9 epochs", "19 epochs"]}}.get(kind, {"length": "30 epochs"})
    options |= {"power": kwargs["decay_rate"]} if kind == "poly" else {}
    found = rates({**options, "warmup_prefix": prefix}, table["epochs"])
    assert found == pytest.approx(table["lr"], rel=1e-9, abs=1e-7 if kind == "tanh" else 1e-14)


def test_noise_is_timms_and_the_same_whatever_was_drawn_before() -> None:
    # timm 1.0.31: CosineLRScheduler(SGD lr 0.1, t_initial=30, noise_range_t=[10, 20], noise_pct=0.67, noise_std=1.0, noise_seed=42)
    options = {"type": "cosine", "length": "30 epochs", "per": "epoch", "noise": {"begin": "10 epochs", "end": "20 epochs"}}
    plain = rates({**options, "noise": None}, 30)
    found = rates(options, 30)
    assert [epoch for epoch in range(30) if found[epoch] != plain[epoch]] == list(range(10, 20))
    assert found[10:20] == pytest.approx(NOISY, rel=1e-9)
    backwards = made(options, 30)
    assert [BASE * backwards.factor(epoch * STEPS) for epoch in reversed(range(30))][::-1] == found


def test_a_warm_up_that_is_no_prefix_leads_into_the_schedule_that_began_with_the_run() -> None:
    found = rates({"type": "cosine", "per": "epoch", "warmup": "4 epochs", "warmup_from": 0.0, "warmup_prefix": False}, 20)
    assert found[:5] == pytest.approx([0, 0.025, 0.05, 0.075, BASE * (1 + math.cos(math.pi * 4 / 20)) / 2])


def test_a_noise_that_is_never_within_its_limit_is_refused() -> None:
    schedule = made({"type": "constant", "noise": {"limit": 1e-9, "std": 1e6}}, 3)
    with pytest.raises(ConfigError, match="never within its limit"):
        schedule.factor(0)

"""Impossible combinations are all found before step 1, and possible ones are left alone."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from trainwright.config import registry
from trainwright.config.choice import choose
from trainwright.optim.build import base_learning_rate, own_weight_decay
from trainwright.optim.combinations import Setting, cannot_combine, cautions
from trainwright.optim.options import chain


@pytest.mark.parametrize(
    ("options", "setting", "place", "fix"),
    [
        ("lbfgs", Setting(precision="fp16"), "trainer.precision", "use bf16 or fp32"),
        ("sam", Setting(precision="fp16"), "trainer.precision", "use bf16 or fp32"),
        ({"type": "lookahead", "inner": "sam"}, Setting(precision="fp16"), "trainer.precision", "use bf16 or fp32"),
        ("lbfgs", Setting(parameter_groups=2), "trainer.parameters", "leave the rules out"),
        ("lbfgs", Setting(freezes=True), "trainer.parameters", "freeze them from the start"),
        ("schedule_free_adamw", Setting(averages=True), "trainer.ema", "leave the averages out"),
        ({"type": "sam", "inner": "schedule_free_sgd"}, Setting(averages=True), "trainer.ema", "leave the averages out"),
        ("lookahead", Setting(averages=True), "trainer.ema", "evaluate: fast"),
    ],
)
def test_what_cannot_be_combined_is_refused_with_its_place_and_a_fix(options: Any, setting: Setting, place: str, fix: str) -> None:
    (error,) = cannot_combine(choose("optimizer", options), setting)
    assert error.where == place
    assert fix in error.fix
    assert error.why


def test_all_at_once() -> None:
    found = cannot_combine(choose("optimizer", "lbfgs"), Setting(precision="fp16", parameter_groups=3, freezes=True))
    assert [error.where for error in found] == ["trainer.precision", "trainer.parameters", "trainer.parameters"]


@pytest.mark.parametrize("name", [each for each in registry.parts("optimizer") if each != "timm"])
def test_the_plain_setting_suits_every_optimizer(name: str) -> None:
    assert cannot_combine(choose("optimizer", name), Setting()) == []
    assert cautions(choose("optimizer", name), Setting(whole_data=True)) == []


@pytest.mark.parametrize("options", ["adamw", "sgd", "muon", "adamw_8bit", {"type": "lookahead", "evaluate": "fast"}])
def test_ordinary_optimizers_combine_with_everything(options: Any) -> None:
    everything = Setting(precision="fp16", parameter_groups=4, freezes=True, clips=True, averages=True, decays=True)
    assert cannot_combine(choose("optimizer", options), everything) == []
    assert cautions(choose("optimizer", options), everything) == []


def test_doubtful_combinations_work_with_a_word_of_caution() -> None:
    assert [line.partition(":")[0] for line in cautions(choose("optimizer", "lbfgs"), Setting(clips=True))] == [
        "lbfgs with clipped gradients",
        "lbfgs with batches that change from step to step",
    ]
    assert "decays" in cautions(choose("optimizer", "schedule_free_adamw"), Setting(decays=True))[0]


def test_settings_of_the_optimizer_inside_are_found() -> None:
    options = choose("optimizer", {"type": "lookahead", "inner": {"type": "sam", "inner": {"type": "sgd", "learning_rate": 0.3}}})
    assert [each.type for each in chain(options)] == ["lookahead", "sam", "sgd"]
    assert (base_learning_rate(options), own_weight_decay(options)) == (0.3, 0.0)
    assert own_weight_decay(choose("optimizer", {"type": "sam", "inner": "adamw"})) == 0.01


def test_options_and_combinations_need_no_torch() -> None:
    code = """
import sys
from trainwright.config.choice import choose
from trainwright.optim.combinations import Setting, cannot_combine
from trainwright.config import registry
for name in registry.parts("optimizer"):
    cannot_combine(choose("optimizer", "adamp" if name == "timm" else name), Setting())
assert "torch" not in sys.modules
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr

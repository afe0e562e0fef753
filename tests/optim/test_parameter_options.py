"""Options that name parameters say what is wrong with them before anything is built."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from pydantic import ValidationError

from trainwright.config.durations import Duration
from trainwright.optim.parameter_options import Clipping, GradientHookOptions, ParameterOptions, ParameterRule


@pytest.mark.parametrize(
    ("written", "read"),
    [(True, True), (False, False), ("5 epochs", Duration(5, "epochs")), ("0.1 run", Duration(0.1, "run")), (None, None)],
)
def test_freeze_is_yes_no_or_until_when(written: Any, read: Any) -> None:
    assert ParameterRule.model_validate({"match": "a", "weight_decay": 0, "freeze": written}).freeze == read


@pytest.mark.parametrize(
    ("kind", "options", "said"),
    [
        (ParameterRule, {"weight_decay": 0.1}, "the rule names no parameters"),
        (ParameterRule, {"match": "a"}, "the rule sets nothing"),
        (ParameterRule, {"match": "re:(", "freeze": True}, "is no regular expression"),
        (ParameterRule, {"match": " ", "freeze": True}, "is an empty pattern"),
        (ParameterRule, {"match": "a", "learning_rate": 1.0, "learning_rate_scale": 1.0}, "exclude each other"),
        (ParameterRule, {"match": "a", "freeze": True, "freeze_from": "1 epoch"}, "exclude each other"),
        (ParameterRule, {"match": "a", "freeze": "5 epoch s"}, "is not a duration"),
        (ParameterRule, {"match": "a", "learning_rate": -1.0}, "greater than or equal to 0"),
        (ParameterRule, {"match": "a", "schedule": "cosin"}, "unknown schedule type 'cosin'"),
        (ParameterOptions, {"layer_decay": 1.5}, "less than or equal to 1"),
        (ParameterOptions, {"layer_decay": 0.0}, "greater than 0"),
        (Clipping, {"norm": 0.0}, "greater than 0"),
        (Clipping, {"adaptive": -0.1}, "greater than 0"),
        (GradientHookOptions, {"match": "a"}, "the gradient hook does nothing"),
        (GradientHookOptions, {"scale": 2.0}, "Field required"),
    ],
)
def test_options_that_mean_nothing_are_refused(kind: Any, options: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        kind.model_validate(options)


def test_what_was_read_can_be_written_and_read_again() -> None:
    rule = {"match": ["a", "re:b.*"], "types": ["Linear"], "schedule": {"type": "cosine", "floor": 0.1}, "freeze": "5 epochs"}
    options = ParameterOptions.model_validate({"rules": [rule], "no_decay": ["*.bias"], "layer_decay": 0.8})
    assert ParameterOptions.model_validate(options.model_dump(mode="json")) == options


def test_reading_the_options_imports_no_torch() -> None:
    code = "import sys, trainwright.optim.parameter_options; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "False"

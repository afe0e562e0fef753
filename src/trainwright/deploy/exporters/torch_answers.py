"""What torch opened, as something that answers arrays."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from trainwright.config.errors import FOREIGN, RunError, TrainwrightError
from trainwright.config.own_code import describe_failure
from trainwright.deploy.exporters.base import Answers, Arrays

LONGEST = 300


def answer_with(program: Callable[[Any], Any]) -> Answers:
    """A program of tensors by name, asked with arrays and without gradients."""

    def answer(inputs: Arrays) -> Arrays:
        with torch.inference_mode():
            found = program({name: torch.from_numpy(each) for name, each in inputs.items()})
        return {name: each.numpy() for name, each in found.items()}

    return answer


def open_with(load: Callable[[Path], Callable[[Any], Any]], target: Path) -> Answers:
    """What `load` makes of a file or folder; raises RunError for one that is damaged."""
    try:
        return answer_with(load(target))
    except TrainwrightError:
        raise
    except FOREIGN as error:  # torch raises whatever it met
        fix = "restore it from a copy, or export the run again"
        raise RunError("this program cannot be loaded", where=str(target), why=describe_failure(error)[:LONGEST], fix=fix) from error

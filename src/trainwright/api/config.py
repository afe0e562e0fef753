"""The whole configuration of a supervised run."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import Field, field_validator

from trainwright.config.choice import choice
from trainwright.config.errors import ConfigError, nearest
from trainwright.config.limits import MOST_SEED, refuse_long_path
from trainwright.config.model import ConfigModel, as_refusal, refusal
from trainwright.data.config import DataConfig
from trainwright.engine.config import EvaluationOptions, TrainerConfig
from trainwright.systems.config import SupervisedConfig

DEVICES = ("auto", "cpu", "cuda", "cuda:1", "mps")
"""Devices as they are written; `cuda:1` stands for any number."""


def _short_path(value: str) -> str:
    refuse_long_path(value)
    return value


class RunConfig(ConfigModel):
    """Which run this is and where it is kept."""

    name: str = ""
    """The folder under `runs/`; default: the name of the data and the target."""
    dir: str = ""
    """The run directory itself; default: `runs/<name>/<start time>`."""
    seed: int = Field(default=0, ge=0, le=MOST_SEED)
    """Fixes the split, the initial weights, the order of rows and dropout."""
    device: str = Field(default="auto", json_schema_extra={"pattern": r"^(auto|cpu|cuda|cuda:\d+|mps)$"})
    """`auto`, `cpu`, `cuda`, `cuda:1`, `mps`."""
    threads: int = Field(default=0, ge=0)
    """CPU threads of torch; 0 leaves its choice."""
    warnings: Literal["once", "all", "log", "error"] = "once"
    """Python's warnings: `once` a place or `all`, on the console and in the log; only in the `log`; or as an `error` that ends the run."""

    @field_validator("name", "dir")
    @classmethod
    def _is_no_longer_than_a_path(cls, value: str) -> str:
        return refusal(_short_path)(value)

    @field_validator("device")
    @classmethod
    def _is_spelled_well(cls, value: str) -> str:
        if value not in DEVICES and not re.fullmatch(r"cuda:[0-9]+", value):
            close = "cuda" if value.lower().startswith("gpu") else nearest(value, DEVICES)
            hint = f"did you mean '{close}'? " if close else ""
            raise as_refusal(ConfigError(f"'{value}' is no device", fix=f"{hint}one of: {', '.join(DEVICES)}"))
        return value


class EvaluationConfig(EvaluationOptions):
    """What is measured after training, and what is kept of evaluations."""

    baselines: list[choice("baseline")] = Field(default=["constant", "linear", "boosting"], validate_default=True)  # type: ignore[valid-type]
    """Simple models trained on the same rows; an empty list switches them off."""
    intervals: bool = True
    """Bootstrap intervals of the test metrics."""
    importance: bool = True
    """Permutation importance of the columns."""
    report: bool = True
    """Write report.html."""


class Config(ConfigModel):
    """The whole configuration of a supervised run."""

    data: DataConfig
    """Where the rows are."""
    targets: list[str] = []
    """Columns to predict; `--target a,b` on the command line. Built-in sets know their own."""
    inputs: list[str] | str = "auto"
    """Columns to predict from; `auto` takes every usable column that is not a target."""
    ignore: list[str] = []
    """Columns to leave out."""
    columns: dict[str, choice("feature")] = {}  # type: ignore[valid-type]
    """What is known of single columns: `age: number`, or `age: {type: number, missing: median, scale: quantile}`."""
    model: SupervisedConfig = SupervisedConfig()
    """What is trained."""
    trainer: TrainerConfig = TrainerConfig()
    """How it is trained."""
    evaluation: EvaluationConfig = EvaluationConfig()
    """What is measured after training."""
    run: RunConfig = RunConfig()
    """Which run this is and where it is kept."""

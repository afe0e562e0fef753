"""The whole configuration of a supervised run."""

from __future__ import annotations

from pydantic import Field

from trainwright.config.choice import choice
from trainwright.config.model import ConfigModel
from trainwright.data.config import DataConfig
from trainwright.engine.config import TrainerConfig
from trainwright.systems.config import SupervisedConfig


class RunConfig(ConfigModel):
    """Which run this is and where it is kept."""

    name: str = ""
    """The folder under `runs/`; default: the name of the data and the target."""
    dir: str = ""
    """The run directory itself; default: `runs/<name>/<start time>`."""
    seed: int = Field(default=0, ge=0)
    """Fixes the split, the initial weights, the order of rows and dropout."""
    device: str = "auto"
    """`auto`, `cpu`, `cuda`, `cuda:1`, `mps`."""
    threads: int = Field(default=0, ge=0)
    """CPU threads of torch; 0 leaves its choice."""


class EvaluationConfig(ConfigModel):
    """What is measured after training."""

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

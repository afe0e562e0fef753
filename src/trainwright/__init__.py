"""Trainwright: from data to a trained, measured, usable PyTorch model, and never a lost run.

`import trainwright` imports no torch; each public name is loaded when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from trainwright._version import __version__

if TYPE_CHECKING:
    from trainwright.api.compare import compare as compare
    from trainwright.api.fit import fit as fit
    from trainwright.api.run import Run as Run
    from trainwright.api.run import load as load
    from trainwright.api.train import train as train
    from trainwright.api.tune import tune_batch_size as tune_batch_size
    from trainwright.api.tune import tune_learning_rate as tune_learning_rate
    from trainwright.config.errors import TrainwrightError as TrainwrightError
    from trainwright.engine.callbacks.base import Callback as Callback
    from trainwright.nn.modes import eval_mode as eval_mode
    from trainwright.nn.modes import tf32_mode as tf32_mode
    from trainwright.nn.modes import train_mode as train_mode
    from trainwright.optim.ema_warmup import EMAWarmup as EMAWarmup
    from trainwright.optim.model_average import ema_update as ema_update
    from trainwright.optim.torch_schedules import ExponentialLR as ExponentialLR
    from trainwright.optim.torch_schedules import InverseLR as InverseLR
    from trainwright.systems.base import System as System
    from trainwright.tracking.csv_logger import CSVLogger as CSVLogger

_WHERE = {
    "train": "trainwright.api.train",
    "fit": "trainwright.api.fit",
    "load": "trainwright.api.run",
    "Run": "trainwright.api.run",
    "compare": "trainwright.api.compare",
    "tune_batch_size": "trainwright.api.tune",
    "tune_learning_rate": "trainwright.api.tune",
    "InverseLR": "trainwright.optim.torch_schedules",
    "ExponentialLR": "trainwright.optim.torch_schedules",
    "EMAWarmup": "trainwright.optim.ema_warmup",
    "ema_update": "trainwright.optim.model_average",
    "train_mode": "trainwright.nn.modes",
    "eval_mode": "trainwright.nn.modes",
    "tf32_mode": "trainwright.nn.modes",
    "Callback": "trainwright.engine.callbacks.base",
    "CSVLogger": "trainwright.tracking.csv_logger",
    "System": "trainwright.systems.base",
    "TrainwrightError": "trainwright.config.errors",
}

__all__ = [
    "CSVLogger",
    "Callback",
    "EMAWarmup",
    "ExponentialLR",
    "InverseLR",
    "Run",
    "System",
    "TrainwrightError",
    "__version__",
    "compare",
    "ema_update",
    "eval_mode",
    "fit",
    "load",
    "tf32_mode",
    "train",
    "train_mode",
    "tune_batch_size",
    "tune_learning_rate",
]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'trainwright' has no attribute '{name}'")
    return getattr(import_module(_WHERE[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)

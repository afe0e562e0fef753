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
    from trainwright.config.errors import TrainwrightError as TrainwrightError
    from trainwright.systems.base import System as System

_WHERE = {
    "train": "trainwright.api.train",
    "fit": "trainwright.api.fit",
    "load": "trainwright.api.run",
    "Run": "trainwright.api.run",
    "compare": "trainwright.api.compare",
    "System": "trainwright.systems.base",
    "TrainwrightError": "trainwright.config.errors",
}

__all__ = ["Run", "System", "TrainwrightError", "__version__", "compare", "fit", "load", "train"]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'trainwright' has no attribute '{name}'")
    return getattr(import_module(_WHERE[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)

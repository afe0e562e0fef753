"""Trainwright: from data to a trained, measured, usable PyTorch model, and never a lost run.

`import trainwright` imports no torch; each public name is loaded when it is first used.
"""

from __future__ import annotations

import warnings
from importlib import import_module
from typing import TYPE_CHECKING, Any

from trainwright._version import __version__

if TYPE_CHECKING:
    from trainwright.api.calibrate import calibrate as calibrate
    from trainwright.api.compare import compare as compare
    from trainwright.api.export import export as export
    from trainwright.api.fit import fit as fit
    from trainwright.api.group import Group as Group
    from trainwright.api.group import sweep as sweep
    from trainwright.api.inspect import inspect as inspect
    from trainwright.api.predictors.kinds import load_predictor as load_predictor
    from trainwright.api.prune import prune as prune
    from trainwright.api.prune import shrink as shrink
    from trainwright.api.remote_trainer import RemoteTrainer as RemoteTrainer
    from trainwright.api.run import Run as Run
    from trainwright.api.run import load as load
    from trainwright.api.serve import serve as serve
    from trainwright.api.train import train as train
    from trainwright.api.tune import tune_batch_size as tune_batch_size
    from trainwright.api.tune import tune_learning_rate as tune_learning_rate
    from trainwright.config.errors import TrainwrightError as TrainwrightError
    from trainwright.config.model import ConfigModel as ConfigModel
    from trainwright.config.own_arguments import arguments as arguments
    from trainwright.config.own_parts import Part as Part
    from trainwright.config.own_parts import find as find
    from trainwright.config.own_parts import make as make
    from trainwright.config.own_parts import register as register
    from trainwright.config.resolvers import register_resolver as register_resolver
    from trainwright.config.scheduled import Scheduled as Scheduled
    from trainwright.data.rows import Rows as Rows
    from trainwright.domains.images.folder_of_images import FolderOfImages as FolderOfImages
    from trainwright.domains.images.folder_of_images import hf_datasets_augs_helper as hf_datasets_augs_helper
    from trainwright.domains.images.labelled_pictures import LabelledPictures as LabelledPictures
    from trainwright.engine.callbacks.base import Callback as Callback
    from trainwright.engine.system import Loss as Loss
    from trainwright.engine.system import StepContext as StepContext
    from trainwright.files.download import download_file as download_file
    from trainwright.metrics.asked import named_metrics as named_metrics
    from trainwright.metrics.base import Metric as Metric
    from trainwright.nn.counting import n_params as n_params
    from trainwright.nn.dims import append_dims as append_dims
    from trainwright.nn.modes import eval_mode as eval_mode
    from trainwright.nn.modes import tf32_mode as tf32_mode
    from trainwright.nn.modes import train_mode as train_mode
    from trainwright.optim.ema_warmup import EMAWarmup as EMAWarmup
    from trainwright.optim.model_average import ema_update as ema_update
    from trainwright.optim.torch_schedules import ExponentialLR as ExponentialLR
    from trainwright.optim.torch_schedules import InverseLR as InverseLR
    from trainwright.parallel.timers import expires as expires
    from trainwright.systems.base import System as System
    from trainwright.systems.configurable import BaseModule as BaseModule
    from trainwright.systems.configurable import BaseObject as BaseObject
    from trainwright.systems.updating import Updateable as Updateable
    from trainwright.tracking.csv_logger import CSVLogger as CSVLogger
    from trainwright.weights.loading import load_weights as load_weights

_WHERE = {
    "train": "trainwright.api.train",
    "fit": "trainwright.api.fit",
    "load": "trainwright.api.run",
    "load_predictor": "trainwright.api.predictors.kinds",
    "Run": "trainwright.api.run",
    "RemoteTrainer": "trainwright.api.remote_trainer",
    "calibrate": "trainwright.api.calibrate",
    "prune": "trainwright.api.prune",
    "shrink": "trainwright.api.prune",
    "compare": "trainwright.api.compare",
    "serve": "trainwright.api.serve",
    "export": "trainwright.api.export",
    "sweep": "trainwright.api.group",
    "Group": "trainwright.api.group",
    "tune_batch_size": "trainwright.api.tune",
    "tune_learning_rate": "trainwright.api.tune",
    "InverseLR": "trainwright.optim.torch_schedules",
    "ExponentialLR": "trainwright.optim.torch_schedules",
    "EMAWarmup": "trainwright.optim.ema_warmup",
    "ema_update": "trainwright.optim.model_average",
    "train_mode": "trainwright.nn.modes",
    "eval_mode": "trainwright.nn.modes",
    "tf32_mode": "trainwright.nn.modes",
    "expires": "trainwright.parallel.timers",
    "Callback": "trainwright.engine.callbacks.base",
    "CSVLogger": "trainwright.tracking.csv_logger",
    "FolderOfImages": "trainwright.domains.images.folder_of_images",
    "hf_datasets_augs_helper": "trainwright.domains.images.folder_of_images",
    "LabelledPictures": "trainwright.domains.images.labelled_pictures",
    "Rows": "trainwright.data.rows",
    "System": "trainwright.systems.base",
    "BaseModule": "trainwright.systems.configurable",
    "BaseObject": "trainwright.systems.configurable",
    "Updateable": "trainwright.systems.updating",
    "Loss": "trainwright.engine.system",
    "StepContext": "trainwright.engine.system",
    "ConfigModel": "trainwright.config.model",
    "Part": "trainwright.config.own_parts",
    "Scheduled": "trainwright.config.scheduled",
    "register": "trainwright.config.own_parts",
    "register_resolver": "trainwright.config.resolvers",
    "find": "trainwright.config.own_parts",
    "make": "trainwright.config.own_parts",
    "arguments": "trainwright.config.own_arguments",
    "load_weights": "trainwright.weights.loading",
    "download_file": "trainwright.files.download",
    "Metric": "trainwright.metrics.base",
    "named_metrics": "trainwright.metrics.asked",
    "inspect": "trainwright.api.inspect",
    "n_params": "trainwright.nn.counting",
    "append_dims": "trainwright.nn.dims",
    "TrainwrightError": "trainwright.config.errors",
}

_RENAMED = {"Moment": "StepContext"}
"""Names of before, known for one more release."""

__all__ = [
    "BaseModule",
    "BaseObject",
    "CSVLogger",
    "Callback",
    "ConfigModel",
    "EMAWarmup",
    "ExponentialLR",
    "FolderOfImages",
    "Group",
    "InverseLR",
    "LabelledPictures",
    "Loss",
    "Metric",
    "Part",
    "RemoteTrainer",
    "Rows",
    "Run",
    "Scheduled",
    "StepContext",
    "System",
    "TrainwrightError",
    "Updateable",
    "__version__",
    "append_dims",
    "arguments",
    "calibrate",
    "calibration",
    "compare",
    "config",
    "download_file",
    "ema_update",
    "eval_mode",
    "expires",
    "export",
    "find",
    "fit",
    "hf_datasets_augs_helper",
    "inspect",
    "load",
    "load_predictor",
    "load_weights",
    "make",
    "n_params",
    "named_metrics",
    "prune",
    "register",
    "serve",
    "shrink",
    "sweep",
    "testing",
    "tf32_mode",
    "train",
    "train_mode",
    "tune_batch_size",
    "tune_learning_rate",
]


def __getattr__(name: str) -> Any:
    if name in ("calibration", "config", "nn", "testing"):
        return import_module(f"trainwright.{name}")
    if name in _RENAMED:
        warnings.warn(f"trainwright.{name} is now called {_RENAMED[name]}", DeprecationWarning, stacklevel=2)
        name = _RENAMED[name]
    if name not in _WHERE:
        raise AttributeError(f"module 'trainwright' has no attribute '{name}'")
    return getattr(import_module(_WHERE[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)

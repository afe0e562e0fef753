"""Callbacks of other libraries, by the names of their classes: what there is here in the place of each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

LIBRARIES = ("lightning", "pytorch_lightning", "transformers", "keras", "tensorflow", "ignite", "fastai", "skorch", "composer")
"""Packages whose callbacks are known to be such."""


def _patience(callback: Any) -> str:
    patience = getattr(callback, "patience", getattr(callback, "early_stopping_patience", 3))
    asked = getattr(callback, "monitor", None)
    return f"early_stopping={{'patience': {patience}}}" + (f", monitor={asked!r}" if asked else "")


def _checkpoint(callback: Any) -> str:
    best = getattr(callback, "save_top_k", 1)
    asked = getattr(callback, "monitor", None)
    return f"checkpoint={{'keep_best': {max(best, 1)}}}" + (f", monitor={asked!r}" if asked else "")


def _ours(module: str, name: str) -> str:
    python = f"from trainwright.engine.callbacks.{module} import {name}"
    return f"callbacks=[{name}()], with {python}; in a configuration trainer.callbacks: [{module}]"


def _decay(callback: Any) -> str:
    return f"ema={getattr(callback, '_decay', None) or 0.999}, an average of the weights that is evaluated and kept"


INSTEAD: dict[str, str | Callable[[Any], str]] = {
    "EarlyStopping": _patience,
    "EarlyStoppingCallback": _patience,
    "ModelCheckpoint": _checkpoint,
    "CheckpointCallback": _checkpoint,
    "OnExceptionCheckpoint": "leave it out: checkpoint={'on_exception': True} is the default",
    "LearningRateMonitor": _ours("learning_rate_monitor", "LearningRateMonitor"),
    "LearningRateScheduler": "schedule=, or a function of the step: schedule={'type': 'lambda', …}",
    "ReduceLROnPlateau": "schedule='plateau'",
    "DeviceStatsMonitor": _ours("device_stats", "DeviceStats"),
    "ThroughputMonitor": _ours("throughput", "Throughput"),
    "StochasticWeightAveraging": "swa={'start': '0.8 run'}: the rate is the schedule's here, and the average is taken after each epoch",
    "EMAWeightAveraging": _decay,
    "WeightAveraging": _decay,
    "GradientAccumulationScheduler": "accumulation=k, one number for the whole run",
    "BackboneFinetuning": "parameters={'rules': [{'match': 'backbone', 'freeze': '10 epochs', 'learning_rate_scale': 0.1}]}",
    "BaseFinetuning": "parameters={'rules': [{'match': 'backbone', 'freeze': '10 epochs'}]}: frozen by name until then, or for good (True)",
    "BatchSizeFinder": "batch_size='auto', or trainwright tune",
    "LearningRateFinder": "tw.tune_learning_rate, or trainwright tune; what it finds goes into the optimizer",
    "ModelPruning": "callbacks=[{'type': 'pruning', …}], where the amount is what is zero at the end",
    "BasePredictionWriter": "tw.load(run, model=…).predict(rows), or trainwright predict RUN ROWS -o FILE",
    "SpikeDetection": "recovery={'loss_spike': {}}",
    "Timer": "max_time='2 h'",
    "ProgressBar": "leave it out: a run shows its progress; console=False is silent",
    "ProgressCallback": "leave it out: a run shows its progress; console=False is silent",
    "PrinterCallback": "leave it out: a run shows its progress; console=False is silent",
    "ModelSummary": "leave it out: model.json and report.html of a run describe the model; trainwright inspect prints it",
    "TensorBoard": "trackers=['csv', 'tensorboard'], the default",
    "TensorBoardCallback": "trackers=['csv', 'tensorboard'], the default",
    "CSVLogger": "trackers=['csv', 'tensorboard'], the default",
    "TerminateOnNaN": "recovery={'not_finite': 'stop'}, the default",
}
"""Class → our option in its place; a function makes it from the values of the callback."""

HOOKS = {
    "on_step_begin": "on_train_batch_start(session, system, batch, index)",
    "on_step_end": "on_train_batch_end(session, system, batch, index)",
    "on_train_batch_begin": "on_train_batch_start(session, system, batch, index)",
    "on_pre_optimizer_step": "on_before_optimizer_step(session, system)",
    "on_optimizer_step": "on_before_zero_grad(session, system)",
    "on_epoch_begin": "on_train_epoch_start(session, system)",
    "on_epoch_end": "on_train_epoch_end(session, system)",
    "on_train_begin": "on_train_start(session, system)",
    "on_train_end": "on_train_end(session, system)",
    "on_evaluate": "on_validation_end(session, system, metrics)",
    "on_test_begin": "on_validation_start(session, system)",
    "on_test_end": "on_validation_end(session, system, metrics)",
    "on_log": "on_log(session, row)",
    "on_save": "on_save_checkpoint(session, system, documents)",
    "on_predict": "on_predict_end(session, system)",
    "on_init_end": "setup(session, system)",
}
"""Hooks of transformers and Keras → ours in their place."""


def library_of(callback: Any) -> str:
    """The library whose class, or whose class derived from, a callback is; empty where none is known."""
    kinds = callback.__mro__ if isinstance(callback, type) else type(callback).__mro__
    roots = (str(each.__module__).partition(".")[0] for each in kinds)
    return next((root for root in roots if root in LIBRARIES), "")


def class_of(callback: Any) -> str:
    """The first class of `INSTEAD` that a callback is, or is derived from; empty for none."""
    kinds = callback.__mro__ if isinstance(callback, type) else type(callback).__mro__
    named = (each for each in kinds if str(each.__module__).partition(".")[0] in LIBRARIES)
    return next((each.__name__ for each in named if each.__name__ in INSTEAD), "")


def instead_of(callback: Any) -> str:
    """What to give in place of a callback of another library: an option, or our hooks for its own; empty where it is of none."""
    if not library_of(callback):
        return ""
    found = INSTEAD.get(class_of(callback), "")
    if found:
        return found if isinstance(found, str) else found(callback)
    own = [f"{name} is {ours}" for name, ours in HOOKS.items() if _overrides(callback, name)]
    return "derive it from trainwright.Callback" + (f": {'; '.join(own)}" if own else ", whose hooks get (session, system, …)")


def _overrides(callback: Any, name: str) -> bool:
    method = getattr(callback if isinstance(callback, type) else type(callback), name, None)
    return method is not None and str(getattr(method, "__module__", "")).partition(".")[0] not in LIBRARIES

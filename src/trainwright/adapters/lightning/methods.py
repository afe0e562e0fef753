"""Which methods of a LightningModule are called and how; none that a person overrides is passed over in silence."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable
from typing import Any

from trainwright.config.errors import ConfigError, ManyErrors, RequestError

log = logging.getLogger("trainwright.systems")

ROOTS = ("lightning.pytorch", "pytorch_lightning", "lightning")
"""Packages that Lightning's classes come from, in its versions."""

_CALLED = """
    training_step validation_step test_step predict_step configure_optimizers prepare_data setup teardown configure_model
    train_dataloader val_dataloader test_dataloader predict_dataloader on_fit_start on_fit_end on_train_start on_train_end
    on_train_epoch_start on_train_epoch_end on_train_batch_start on_train_batch_end on_before_backward on_after_backward
    on_before_optimizer_step on_before_zero_grad on_validation_start on_validation_end on_validation_epoch_start on_validation_epoch_end
    on_validation_batch_start on_validation_batch_end on_validation_model_eval on_validation_model_train on_validation_model_zero_grad
    on_test_start on_test_end on_test_epoch_start on_test_epoch_end on_test_batch_start on_test_batch_end on_test_model_eval
    on_test_model_train on_predict_start on_predict_end on_predict_epoch_start on_predict_epoch_end on_predict_batch_start
    on_predict_batch_end on_predict_model_eval on_save_checkpoint on_load_checkpoint on_before_batch_transfer transfer_batch_to_device
    on_after_batch_transfer configure_callbacks
"""
CALLED = frozenset(_CALLED.split())
"""Called where Lightning calls them, with its arguments."""

PLAYED = ("optimizer_step", "optimizer_zero_grad", "backward", "lr_scheduler_step", "configure_gradient_clipping")
"""Where one of these is overridden the adapter itself plays Lightning's order of a step, closure and all, so that it is honoured."""

REFUSED = {
    "log": "override log_dict, or give the values their names where they are logged",
    "configure_sharded_model": "write it as configure_model",
}
"""Cannot be honoured: refused before the first step when overridden → what to do instead."""

_OWN = """
    all_gather automatic_optimization clip_gradients current_epoch device device_mesh dtype example_input_array fabric freeze global_rank
    global_step hparams hparams_initial load_from_checkpoint local_rank log_dict logger loggers lr_schedulers manual_backward on_gpu
    optimizers print remove_ignored_hparams save_hyperparameters strict_loading to_onnx to_tensorrt to_torchscript toggle_optimizer
    toggled_optimizer trainer unfreeze untoggle_optimizer CHECKPOINT_HYPER_PARAMS_KEY CHECKPOINT_HYPER_PARAMS_NAME
    CHECKPOINT_HYPER_PARAMS_TYPE
"""
OWN = frozenset(_OWN.split())
"""What the module calls or reads itself: an override is simply found by Python."""


def lightning_class(thing: Any, name: str) -> type | None:
    """Lightning's own class `name` among the bases of an object; None when it has none. Imports nothing."""
    kind = thing if isinstance(thing, type) else type(thing)
    for each in kind.__mro__:
        if each.__name__ == name and any(each.__module__ == root or each.__module__.startswith(f"{root}.") for root in ROOTS):
            return each
    return None


def is_lightning(thing: Any) -> bool:
    """Whether an object is a LightningModule, of the package `lightning` or `pytorch_lightning`."""
    return lightning_class(thing, "LightningModule") is not None


def is_datamodule(thing: Any) -> bool:
    """Whether an object is a LightningDataModule."""
    return lightning_class(thing, "LightningDataModule") is not None


def overrides(thing: Any, name: str) -> bool:
    """Whether a module or data module says itself what `name` is, in its class or on the object; None says that it is not there."""
    if name in vars(thing):
        return vars(thing)[name] is not None
    base = lightning_class(thing, "LightningModule") or lightning_class(thing, "LightningDataModule")
    own = getattr(type(thing), name, None)
    return own is not None and own is not getattr(base, name, None)


def call_if_there(thing: Any, name: str, *arguments: Any) -> Any:
    """What a method gives; None where it was set to None, which is Lightning's way to leave it out."""
    method = getattr(thing, name, None)
    return method(*arguments) if callable(method) else None


def fit_arguments(method: Callable[..., Any], usual: int) -> Callable[..., Any]:
    """`method`, called with as many arguments as it takes: `usual` many, fewer where it has fewer, and 0 (the loader's number) for more."""
    least, most = _width(method)
    if least > usual:
        rest = (0,) * (least - usual)
        return lambda *arguments: method(*arguments, *rest)
    if most is not None and most < usual:
        return lambda *arguments: method(*arguments[:most])
    return method


def _width(method: Callable[..., Any]) -> tuple[int, int | None]:
    """How many positional arguments a method needs, and how many it takes; None for any number."""
    parameters = inspect.signature(method).parameters.values()
    placed = [each for each in parameters if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)]
    unbounded = any(each.kind is each.VAR_POSITIONAL for each in parameters)
    return sum(each.default is each.empty for each in placed), None if unbounded else len(placed)


def check_module(module: Any) -> None:
    """Raises ConfigError, or ManyErrors, for what a LightningModule overrides and cannot be honoured."""
    name = type(module).__name__
    if not hasattr(module, "_parameters") or not hasattr(module, "_automatic_optimization"):
        fix = "begin __init__ with super().__init__()"
        raise ConfigError(f"{name} was not begun", where=name, why="super().__init__() was not called", fix=fix)
    errors: list[RequestError] = [
        ConfigError(f"'{method}' is overridden and cannot be honoured here", where=name, fix=fix)
        for method, fix in REFUSED.items()
        if overrides(module, method)
    ]
    errors += _steps(module, name)
    if errors:
        raise errors[0] if len(errors) == 1 else ManyErrors(errors)


def _steps(module: Any, name: str) -> list[RequestError]:
    """What is wrong with the steps of a module."""
    if not overrides(module, "training_step"):
        return [ConfigError(f"{name} has no training_step", where=name, fix="write training_step(self, batch, batch_idx)")]
    taken = inspect.signature(module.training_step).parameters
    if "optimizer_idx" in taken:
        fix = "set self.automatic_optimization = False and take self.optimizers(), as Lightning 2 asks for"
        return [ConfigError("training_step(optimizer_idx) is of Lightning 1", where=name, fix=fix)]
    return []

"""Functions as a callback, by hook."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from trainwright.config.errors import ConfigError, did_you_mean
from trainwright.config.foreign import found_at
from trainwright.engine.callbacks.base import HOOKS, Callback
from trainwright.engine.callbacks.options import LambdaOptions


class LambdaCallback(Callback):
    """`LambdaCallback(on_log=lambda session, row: print(row))`: each function is called with what its hook gets.

    Raises ConfigError for a name that is no hook, with the nearest one.
    """

    def __new__(cls, options: LambdaOptions | None = None, **functions: Callable[..., Any]) -> LambdaCallback:
        """A class of its own, so that only the hooks named are called."""
        named = {} if options is None else {name: found_at(path)[0] for name, path in options.functions.items()}
        methods = {name: _method(name, function) for name, function in {**named, **functions}.items()}
        return super().__new__(type(cls.__name__, (cls,), methods))

    def __init__(self, options: LambdaOptions | None = None, **functions: Callable[..., Any]) -> None:
        self.options = options
        self.every_rank = options is not None and options.every_rank


def _method(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    if name not in HOOKS:
        raise ConfigError(f"there is no hook '{name}'", where="trainer.callbacks.lambda.functions", fix=did_you_mean(name, HOOKS))
    return lambda self, *arguments: function(*arguments)

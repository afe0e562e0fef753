"""A transform that is a function or class of a person's own, or a function of torch."""

from __future__ import annotations

import inspect
from functools import partial
from typing import Any

import torch

from trainwright.config.errors import FOREIGN, ConfigError, RequestError
from trainwright.config.foreign import found_at
from trainwright.data.transforms import FunctionOptions


class Function:
    """Calls it with the sample and its arguments; raises ConfigError for one that cannot be had or does not take them."""

    def __init__(self, options: FunctionOptions) -> None:
        self.options = options
        self.call = _found(options)

    def __call__(self, sample: Any) -> Any:
        return self.call(sample)


def _found(options: FunctionOptions) -> Any:
    """What is called with a sample."""
    name = options.call
    made_from = found_at(name)[0]
    try:
        call = made_from(**options.arguments) if isinstance(made_from, type) else partial(made_from, **options.arguments)
    except RequestError:
        raise
    except FOREIGN as error:
        raise ConfigError(f"'{name}' cannot be made", why=str(error), fix="give it the arguments that it takes") from error
    if not callable(call):
        raise ConfigError(f"'{name}' is no function", fix="name a function, or a class with __call__(self, sample)")
    return _with_generator(call, name)


def _with_generator(call: Any, name: str) -> Any:
    """The call with torch's default generator, which is seeded for every sample, where it takes one; checks that a sample can be given."""
    try:
        taken = inspect.signature(call)
    except (TypeError, ValueError):
        return call  # written in C: it says what it lacks when it is called
    if "generator" in taken.parameters and not name.startswith("torch."):
        call = partial(call, generator=torch.default_generator)
        taken = inspect.signature(call)
    try:
        taken.bind(None)
    except TypeError as error:
        what = f"'{name}' cannot be called with a sample"
        raise ConfigError(what, why=f"{error}; it is {name.rpartition(':')[2]}{taken}", fix="let it take the sample first") from error
    return call

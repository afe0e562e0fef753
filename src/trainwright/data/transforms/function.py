"""A transform that is a function or class of a person's own, or a function of torch."""

from __future__ import annotations

import inspect
from functools import partial
from typing import Any

from torch import nn

from trainwright.config.errors import FOREIGN, ConfigError, RequestError
from trainwright.config.foreign import found_at
from trainwright.data.draws import device_generator
from trainwright.data.transforms import FunctionOptions
from trainwright.data.transforms.parts import device_of


class Function:
    """Calls it with the sample or batch and its arguments; raises ConfigError for one that cannot be had or does not take them."""

    def __init__(self, options: FunctionOptions) -> None:
        self.options = options
        self.call, self.draws = _find_call(options)

    def __call__(self, given: Any) -> Any:
        device = device_of(given)
        if isinstance(self.call, nn.Module):
            self.call.to(device)  # its buffers: a filter, a window
        if self.draws:  # the default generator of the device, which is seeded for every sample or batch
            return self.call(given, generator=device_generator(device))
        return self.call(given)


def _find_call(options: FunctionOptions) -> tuple[Any, bool]:
    """What is called, and whether it takes a generator; checks that a sample can be given."""
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
    try:
        taken = inspect.signature(call)
    except (TypeError, ValueError):
        return call, False  # written in C: it says what it lacks when it is called
    draws = "generator" in taken.parameters and not name.startswith("torch.")
    try:
        taken.bind(None, **({"generator": None} if draws else {}))
    except TypeError as error:
        what = f"'{name}' cannot be called with a sample"
        raise ConfigError(what, why=f"{error}; it is {name.rpartition(':')[2]}{taken}", fix="let it take the sample first") from error
    return call, draws

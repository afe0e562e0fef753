"""A block is made of its options, or of the same by name and position as any module of torch: `ConvNeXtBlock(96, drop_path=0.1)`."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, ParamSpec

from trainwright.config.compose import Composed
from trainwright.config.located import validate
from trainwright.config.model import PartConfig
from trainwright.config.places import Place, node_of

P = ParamSpec("P")


def checked_by(options: type[PartConfig]) -> Callable[[Callable[P, None]], Callable[P, None]]:
    """Checks what an `__init__` is given as a configuration is checked; it then takes its options in place of them too.

    Raises ManyErrors with every argument that cannot be, as `Class.argument`.
    """

    def decorate(init: Callable[P, None]) -> Callable[P, None]:
        names = list(inspect.signature(init).parameters)[1:]

        @wraps(init)
        def checking(*args: P.args, **kwargs: P.kwargs) -> None:
            module, *given = args
            if len(given) > len(names) or {*names[: len(given)]} & kwargs.keys():
                return init(*args, **kwargs)  # Python itself says so
            if len(given) == 1 and isinstance(given[0], options):
                found: PartConfig = given[0]
            else:
                found = check_options(options, {**dict(zip(names, given, strict=False)), **kwargs}, type(module).__name__)
            return init(module, **arguments_of(found))  # type: ignore[arg-type]

        return checking

    return decorate


def arguments_of(options: PartConfig) -> dict[str, Any]:
    """The options by name, without `type`."""
    return {name: getattr(options, name) for name in type(options).model_fields if name != "type"}


def check_options(options: type[PartConfig], given: Mapping[str, Any], where: str) -> PartConfig:
    """The options that these values are; raises ManyErrors with every mistake, `where` being the place that it names."""
    return validate(options, Composed(node_of(dict(given), Place(where)), options, []))

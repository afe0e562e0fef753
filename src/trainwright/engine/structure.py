"""What a model is built of beside its weights: shapes can be equal where its functions are others."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator, Mapping
from types import CodeType
from typing import Any

from torch import nn

log = logging.getLogger("trainwright.engine")

SHOWN = 3
WRAPPER = "_orig_mod."
"""What torch.compile puts into names."""


def structure_of(system: nn.Module) -> dict[str, str]:
    """Name of a module → its class, options, functions, and a number for the code of its forward pass."""
    return {
        name.replace(WRAPPER, ""): description_of(module) for name, module in system.named_modules() if not hasattr(module, "_orig_mod")
    }


def description_of(module: nn.Module) -> str:
    """A module in a line: `Dropout(p=0.5, inplace=False)`; of a class that is not torch's also what its forward pass consists of."""
    kind = type(module)
    if kind.__module__.startswith("torch."):
        return f"{kind.__name__}({module.extra_repr()})"
    functions = [f"{name}={each.__qualname__}" for name, each in sorted(vars(module).items()) if is_function(each)]
    digest = hashlib.sha256("\n".join(words_of(code_of(kind))).encode("utf-8", "backslashreplace")).hexdigest()[:8]
    return f"{kind.__name__}({', '.join(functions)}) #{digest}"


def is_function(value: Any) -> bool:
    """Whether a value is a function with a name of its own, as an activation kept in an attribute is."""
    return callable(value) and not isinstance(value, type | nn.Module) and hasattr(value, "__qualname__") and not hasattr(value, "__self__")


def code_of(kind: type) -> CodeType | None:
    """The code of a class's `forward`; None where it has none in Python."""
    return getattr(getattr(kind, "forward", None), "__code__", None)


def words_of(code: CodeType | None) -> Iterator[str]:
    """Names, constants and operations of a function, and of those within it; not where it stands, nor its comments."""
    if code is None:
        return
    yield from code.co_names
    for each in code.co_consts[1:]:  # the first is the docstring, or None
        if isinstance(each, CodeType):
            yield from words_of(each)
        elif not isinstance(each, frozenset):  # whose order is another in every process
            yield repr(each)


def say_rebuilt(before: Mapping[str, str], system: nn.Module) -> None:
    """Warn of modules that are others than in the run that is continued: their weights fit, what they compute may not be the same."""
    now = structure_of(system)
    changed = [name for name in dict.fromkeys([*before, *now]) if before.get(name) != now.get(name)] if before else []
    if changed:
        said = [f"'{name or 'the system'}' was {before.get(name, 'not there')}, is {now.get(name, 'gone')}" for name in changed[:SHOWN]]
        more = f" and {len(changed) - SHOWN} more" if len(changed) > SHOWN else ""
        log.warning("the model is built otherwise than when this run was begun, its weights are kept: %s%s", "; ".join(said), more)

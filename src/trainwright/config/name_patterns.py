"""Patterns that name parameters and modules: globs and regular expressions of dotted names. Imports no torch."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Collection
from functools import lru_cache
from typing import Annotated

from pydantic import AfterValidator

from trainwright.config.errors import ConfigError
from trainwright.config.model import as_refusal

HELD = "model"
"""What a plain system calls the model that it trains: a name is understood with `model.` before it and without."""
REGULAR = "re:"
"""What a pattern begins with that is a regular expression and no glob."""


def ensure_pattern(pattern: str) -> str:
    """The pattern; refused when it is empty or its regular expression is none."""
    if not pattern.removeprefix(REGULAR).strip():
        raise as_refusal(ConfigError(f"'{pattern}' is an empty pattern", fix="name parameters, for example 'encoder' or '*.bias'"))
    if pattern.startswith(REGULAR):
        try:
            re.compile(pattern[len(REGULAR) :])
        except re.error as error:
            raise as_refusal(ConfigError(f"'{pattern}' is no regular expression", why=str(error))) from error
    return pattern


Pattern = Annotated[str, AfterValidator(ensure_pattern)]
Patterns = Pattern | list[Pattern]


def as_list(patterns: str | list[str]) -> list[str]:
    """One pattern or several, as a list."""
    return [patterns] if isinstance(patterns, str) else list(patterns)


@lru_cache(maxsize=1024)
def matcher(pattern: str) -> Callable[[str], object]:
    """Whether a whole name fits a glob (`*` crosses dots), or the expression after `re:`."""
    expression = pattern[len(REGULAR) :] if pattern.startswith(REGULAR) else fnmatch.translate(pattern)
    return re.compile(expression).fullmatch


def with_ancestors(path: str) -> list[str]:
    """A dotted name and the modules that it is in, from the outside in: `a`, `a.b`, `a.b.weight`."""
    parts = path.split(".")
    return [".".join(parts[: end + 1]) for end in range(len(parts))]


def fits(path: str, pattern: str) -> bool:
    """Whether a pattern names this parameter or module, or a module that it is in."""
    matches = matcher(pattern)
    return any(matches(each) for each in with_ancestors(path))


def meant_by(pattern: str, names: Collection[str]) -> Callable[[str], bool]:
    """Whether a name is meant by a pattern that is read among `names`: as it stands, or, where it names nothing so, in the other spelling.

    A model is trained within a system, which calls it `model`: rules of the trainer see `model.head`, the model itself has `head`. Both
    spellings name the same everywhere.
    """
    if any(fits(each, pattern) for each in names):
        return lambda path: fits(path, pattern)
    return lambda path: fits(other_spelling(path), pattern)


def other_spelling(path: str) -> str:
    """A name without the `model.` it begins with, or with it before a name that does not; `model` is the model itself."""
    return path.removeprefix(f"{HELD}.") if path.startswith(f"{HELD}.") else f"{HELD}.{path}" if path else HELD

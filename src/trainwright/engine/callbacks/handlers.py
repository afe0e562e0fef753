"""Functions and classes of a person's own that a callback hands something to, named by path."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from trainwright.config.errors import ConfigError
from trainwright.config.foreign import found_at, is_path

NONE, CONSOLE = "none", "console"


def find_handler(named: str, method: str, where: str, shown: Callable[[Any], str]) -> Callable[[Any], None] | None:
    """What is called with each thing: nothing for `none`, a line on standard error for `console`, a function, or a class's `method`.

    Raises ConfigError for a path that leads to neither.
    """
    if named == NONE:
        return None
    if named == CONSOLE:
        return lambda each: print(shown(each), file=sys.stderr, flush=True)
    if not is_path(named):
        fix = f"write {CONSOLE}, {NONE}, or the path of a function or a class: ./my.py:Handler"
        raise ConfigError(f"'{named}' is no handler", where=where, fix=fix)
    found = found_at(named)[0]
    made = found() if isinstance(found, type) else found
    told = getattr(made, method, None) or made
    if not callable(told):
        fix = f"name a function of one argument, or a class with {method}(self, …)"
        raise ConfigError(f"'{named}' is no handler", where=where, why=f"a {type(made).__name__} cannot be called", fix=fix)
    handler: Callable[[Any], None] = told
    return handler

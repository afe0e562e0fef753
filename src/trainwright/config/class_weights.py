"""The bounds of class weights, wherever they are given. Imports no torch."""

from __future__ import annotations

import math
from typing import Any

from trainwright.config.errors import ConfigError


def check_class_weights(given: dict[Any, Any] | list[Any] | tuple[Any, ...]) -> None:
    """Raises ConfigError naming the first weight that is no finite number of 0 or more, and for a list whose weights are all 0."""
    named = isinstance(given, dict)
    for name, weight in given.items() if isinstance(given, dict) else enumerate(given, 1):
        if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 <= weight < math.inf:
            what = f"the weight of {f'class {name!r}' if named else f'class number {name}'} is {weight!r}"
            raise ConfigError(what, why="a weight is a finite number of 0 or more", fix="write for example 1, 0.5 or 2")
    if not named and given and not any(given):
        why = "no row would cost anything, so that nothing is learnt"
        raise ConfigError("the weights are all 0", why=why, fix="give at least one class a weight above 0")

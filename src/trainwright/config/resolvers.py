"""The functions that `${name:value,…}` may call: a fixed set, and those that a program registers. Text is never run as code."""

from __future__ import annotations

import inspect
import math
import operator
import os.path
import re
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from trainwright.config.errors import FOREIGN, ConfigError, did_you_mean
from trainwright.config.limits import MOST_TEXT

R = TypeVar("R", bound=Callable[..., Any])

REGISTERED: dict[str, Callable[..., Any]] = {}
"""Those of the program."""
NAME = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")
KEPT = ("env", "oc.env", "oc.select", "oc.dict.keys", "oc.dict.values")
"""Names that read the environment or an option, and are resolved where these are known."""


def register_resolver(name: str, function: Callable[..., Any] | None = None, *, replace: bool = False) -> Any:
    """Let `${name:value,…}` call `function` with the values, read as on the command line; without one, a decorator that registers it.

    It is called while a configuration is read, must be a pure function of its values, and gives a number, a text, true or false, None,
    a list or a mapping. Raises ConfigError for a name that is none, and one that is taken, unless `replace` is given; those that are
    built in cannot be replaced.
    """
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise ConfigError(f"{name!r} cannot be the name of a resolver", fix="write letters, digits, _ and dots, for example 'half'")
    if name in BUILT_IN or name in KEPT:
        raise ConfigError(f"the resolver '{name}' is built in", fix="give yours another name")
    if function is None:
        return lambda made: register_resolver(name, made, replace=replace)
    if not callable(function):
        raise ConfigError(f"'{name}' is {type(function).__name__}, not a function", fix="give a function of the values")
    old = REGISTERED.get(name)
    if old is not None and not replace and getattr(old, "__qualname__", old) != getattr(function, "__qualname__", function):
        raise ConfigError(f"two resolvers are named '{name}'", fix="give one of them another name, or register it with replace=True")
    REGISTERED[name] = function
    return function


def call_resolver(name: str, values: Sequence[Any], text: str, where: str) -> Any:
    """What a resolver gives for values. Raises ConfigError for one that there is not, and with whatever it refuses."""
    function = BUILT_IN.get(name) or REGISTERED.get(name)
    if function is None:
        fix = f"{did_you_mean(name, [*BUILT_IN, *REGISTERED, *KEPT])}; or register it: tw.register_resolver('{name}', function)"
        raise ConfigError(f"${{{text}}}: there is no resolver '{name}'", where=where, fix=fix)
    try:
        inspect.signature(function).bind(*values)
    except TypeError as error:
        raise ConfigError(f"${{{text}}}: '{name}' takes other values", where=where, why=str(error), fix=f"write {_form(name)}") from error
    except ValueError:  # a function of C without a signature
        pass
    try:
        return _check_value(function(*values))
    except FOREIGN as error:  # a resolver of one's own may raise anything
        why = f"{type(error).__name__}: {error}"
        raise ConfigError(f"${{{text}}} cannot be computed", where=where, why=why, fix=f"write {_form(name)}") from error


def _form(name: str) -> str:
    """How a resolver is written."""
    function = BUILT_IN.get(name) or REGISTERED[name]
    try:
        names = [each.name + (",…" if each.kind is each.VAR_POSITIONAL else "") for each in inspect.signature(function).parameters.values()]
    except ValueError:
        names = ["…"]
    return f"${{{name}:{','.join(names)}}}"


def _check_value(value: Any) -> Any:
    """A value that a configuration can hold; tuples as lists."""
    if isinstance(value, list | tuple):
        return [_check_value(each) for each in value]
    if isinstance(value, dict):
        return {str(key): _check_value(each) for key, each in value.items()}
    if value is None or isinstance(value, bool | int | float | str):
        if isinstance(value, str) and len(value) > MOST_TEXT:
            raise ValueError(f"a text of {len(value):,} characters")
        return value
    raise TypeError(f"it gives a {type(value).__name__}, which a configuration cannot hold")


def _number(value: Any) -> int | float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{value!r} is not a number")
    return value


def _of_numbers(function: Callable[..., Any]) -> Callable[..., Any]:
    def of_two(a: Any, b: Any) -> Any:
        return function(_number(a), _number(b))

    return of_two


def _of_many(function: Callable[..., Any], numbers: bool = True) -> Callable[..., Any]:
    def of_many(*values: Any) -> Any:
        inside = values[0] if len(values) == 1 and isinstance(values[0], list) else values
        return function([_number(each) if numbers else each for each in inside])

    return of_many


def add(a: Any, b: Any) -> Any:
    """Two numbers, texts or lists put together."""
    if type(a) is type(b) and isinstance(a, str | list):
        return a + b
    return _number(a) + _number(b)


def power(a: Any, b: Any) -> float | int:
    """A power; whole ones stay whole while they fit a float."""
    found = float(_number(a)) ** float(_number(b))
    if isinstance(found, complex):
        raise ValueError(f"{a} to the power of {b} is no real number")
    return int(found) if isinstance(a, int) and isinstance(b, int) and b >= 0 and abs(found) < 2**53 else found


def largest_of(value: Any) -> float:
    """The largest value that a scheduled number takes (`C_max` of threestudio): a number, `[v0, v1, end]` or `[start, v0, v1, end, …]`."""
    if not isinstance(value, list):
        return _number(value)
    numbers = [_number(each) for each in value]
    numbers = [0, *numbers] if len(numbers) == 3 else numbers
    if len(numbers) < 4 or len(numbers) % 2:
        raise ValueError(f"{value!r} is no scheduled number")
    return max(numbers[1], *numbers[2::2])


def choose(condition: Any, then: Any, otherwise: Any) -> Any:
    """One of two values."""
    return then if condition else otherwise


BUILT_IN: dict[str, Callable[..., Any]] = {
    "add": add,
    "sub": _of_numbers(operator.sub),
    "mul": _of_numbers(operator.mul),
    "div": _of_numbers(operator.truediv),
    "idiv": _of_numbers(operator.floordiv),
    "mod": _of_numbers(operator.mod),
    "pow": power,
    "neg": lambda a: -_number(a),
    "abs": lambda a: abs(_number(a)),
    "sqrt": lambda a: math.sqrt(_number(a)),
    "log": lambda a: math.log(_number(a)),
    "exp": lambda a: math.exp(_number(a)),
    "min": _of_many(min),
    "max": _of_many(max),
    "sum": _of_many(sum),
    "round": lambda a, digits=0: round(_number(a), digits) if digits else round(_number(a)),
    "floor": lambda a: math.floor(_number(a)),
    "ceil": lambda a: math.ceil(_number(a)),
    "int": lambda a: int(a),
    "float": lambda a: float(a),
    "str": lambda a: str(a),
    "if": choose,
    "eq": lambda a, b: a == b,
    "ne": lambda a, b: a != b,
    "lt": _of_numbers(operator.lt),
    "le": _of_numbers(operator.le),
    "gt": _of_numbers(operator.gt),
    "ge": _of_numbers(operator.ge),
    "and": _of_many(all, numbers=False),
    "or": _of_many(any, numbers=False),
    "not": lambda a: not a,
    "in": lambda a, b: a in b,
    "len": lambda a: len(a),
    "gt0": lambda a: _number(a) > 0,
    "cmaxgt0": lambda a: largest_of(a) > 0,
    "cmaxgt0orcmaxgt0": lambda a, b: largest_of(a) > 0 or largest_of(b) > 0,
    "calc_exp_lr_decay_rate": lambda factor, n: _number(factor) ** (1.0 / _number(n)),
    "tuple2": lambda a: [float(_number(a))] * 2,
    "basename": lambda path: os.path.basename(str(path)),
    "dirname": lambda path: os.path.dirname(str(path)),
    "stem": lambda path: os.path.splitext(os.path.basename(str(path)))[0],
    "rmspace": lambda text, instead="": str(text).replace(" ", str(instead)),
    "replace": lambda text, old, new: str(text).replace(str(old), str(new)),
    "lower": lambda text: str(text).lower(),
    "upper": lambda text: str(text).upper(),
    "join": lambda between, *parts: str(between).join(map(str, parts[0] if len(parts) == 1 and isinstance(parts[0], list) else parts)),
    "oc.create": lambda value: value,
    "oc.decode": lambda value: value,
}
"""Name → function of plain values: the arithmetic, conditions and texts that configurations for OmegaConf use, threestudio's among them."""

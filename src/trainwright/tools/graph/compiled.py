"""The class of a graph with the forward that its source says; graphs with the same source share one."""

from __future__ import annotations

import hashlib
import linecache
import math
from functools import lru_cache
from types import CodeType
from typing import Any

import torch
from torch.nn import functional

from trainwright.config.foreign import found_at
from trainwright.tools.graph.source import ForwardText

FILE = "<graph {}>"


def pick(value: Any, key: str) -> Any:
    """`value.key`: an entry of a mapping, or an attribute of anything else."""
    return value[key] if isinstance(value, dict) else getattr(value, key)


def add_up(values: list[Any]) -> Any:
    """The first of the values and all others added to it, one after the other."""
    total = values[0]
    for each in values[1:]:
        total = total + each
    return total


def class_with_forward(base: type, source: ForwardText) -> type:
    """A subclass of `base` whose forward is the source."""
    return _make(base, source.text, tuple(source.paths.items()))


def forward_function(source: ForwardText) -> Any:
    """The source as a function, known to tracebacks by its lines."""
    return _function(source.text, tuple(source.paths.items()))


@lru_cache(maxsize=4096)
def _make(base: type, text: str, paths: tuple[tuple[str, str], ...]) -> type:
    inside = {"forward": _function(text, paths), "__module__": base.__module__, "__qualname__": base.__qualname__, "__doc__": base.__doc__}
    return type(base.__name__, (base,), inside)


def _function(text: str, paths: tuple[tuple[str, str], ...]) -> Any:
    file = FILE.format(hashlib.sha256(text.encode()).hexdigest()[:12])
    linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
    names: dict[str, Any] = {"torch": torch, "F": functional, "pick": pick, "inf": math.inf, "nan": math.nan, "_sum": add_up}
    names |= {name: found_at(path)[0] for name, path in paths}
    exec(compile(text, file, "exec"), names)  # the text is ours, made of checked names and literals
    return names["forward"]


def is_forward(function: Any) -> bool:
    """Whether a function is the forward of a graph, made from its source."""
    return is_source(getattr(function, "__code__", None))


def is_source(code: CodeType | None) -> bool:
    """Whether a frame's code is the forward of a graph."""
    return code is not None and code.co_filename.startswith("<graph ")

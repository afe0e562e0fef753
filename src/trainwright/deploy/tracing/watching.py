"""Where a size became fixed while a module was traced: torch says that it did, and the call that did it is still on the stack."""

from __future__ import annotations

import linecache
import logging
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType, TracebackType

from torch import nn

from trainwright.config.own_code import is_own

SHAPES = "torch.fx.experimental.symbolic_shapes"
"""The logger that tells of sizes."""
CHATTY = ("torch._export.non_strict_utils", "torch.export._trace")
"""Loggers of what is told in an error, or in what was found of axes."""
FIXED = re.compile(r"set_replacement (\S+) = (\d+) \(")
LIMITED = re.compile(r"eval (.+?) \[guard added\]")
OURS = re.compile(r"trainwright/(?!deploy/|api/|config/)")


@dataclass(frozen=True)
class Line:
    """A line of code that was running."""

    file: str
    number: int
    code: str
    module: str = ""
    """The class of the module whose method it is in."""

    def __str__(self) -> str:
        of = f" of {self.module}" if self.module else ""
        return f"{self.file}:{self.number}{of}: {self.code}" if self.code else f"{self.file}:{self.number}{of}"


@dataclass
class Watched:
    """Symbol of a size → the line that fixed it, and what was asked of sizes, with the line that asked."""

    fixed: dict[str, Line] = field(default_factory=dict)
    asked: list[tuple[str, Line]] = field(default_factory=list)
    last: Line | None = None
    """The line that fixed a size last."""


class _Listener(logging.Handler):
    def __init__(self, watched: Watched) -> None:
        super().__init__(logging.INFO)
        self.watched = watched

    def emit(self, record: logging.LogRecord) -> None:
        said = record.getMessage()
        fixed, limited = FIXED.match(said), LIMITED.match(said)
        line = line_of_stack() if fixed or limited else None
        if line is not None and fixed:
            self.watched.fixed.setdefault(fixed[1], line)
            self.watched.last = line
        elif line is not None and limited:
            self.watched.asked.append((limited[1], line))


@contextmanager
def watch_sizes() -> Iterator[Watched]:
    """What torch says of sizes inside, kept and not shown."""
    loggers, watched = [logging.getLogger(name) for name in (SHAPES, *CHATTY)], Watched()
    before = [(each, each.level, each.propagate, each.handlers) for each in loggers]
    for each in loggers:
        each.handlers, each.propagate = [_Listener(watched) if each.name == SHAPES else logging.NullHandler()], False
        each.setLevel(logging.INFO)
    try:
        yield watched
    finally:
        for each, level, propagates, handlers in before:
            each.handlers, each.propagate = handlers, propagates
            each.setLevel(level)


def line_of_stack() -> Line | None:
    """The innermost line of a person's code that is running, else of a module of Trainwright's."""
    frames: list[tuple[FrameType, int]] = []
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        frames.append((frame, frame.f_lineno))
        frame = frame.f_back
    return _innermost(frames)


def line_of_error(error: BaseException) -> Line | None:
    """The same of where an error came from."""
    frames: list[tuple[FrameType, int]] = []
    trace: TracebackType | None = error.__traceback__
    while trace is not None:
        frames.append((trace.tb_frame, trace.tb_lineno))
        trace = trace.tb_next
    return _innermost(frames[::-1])


def _innermost(frames: list[tuple[FrameType, int]]) -> Line | None:
    """The first of them, the innermost first, that is a person's own and of a module, else one of Trainwright's modules."""
    of_modules = [(frame, number) for frame, number in frames if isinstance(frame.f_locals.get("self"), nn.Module)]
    own = next((each for each in of_modules if is_own(each[0].f_code.co_filename)), None)
    found = own or next((each for each in of_modules if OURS.search(each[0].f_code.co_filename.replace("\\", "/"))), None)
    if own is not None:  # a function that the module calls is nearer
        outer = frames.index(own)
        found = next((each for each in frames[:outer] if is_own(each[0].f_code.co_filename)), own)
    return None if found is None else _line(*found)


def _line(frame: FrameType, number: int) -> Line:
    file, of = frame.f_code.co_filename, frame.f_locals.get("self")
    return Line(file, number, linecache.getline(file, number).strip(), type(of).__name__ if isinstance(of, nn.Module) else "")

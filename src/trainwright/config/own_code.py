"""Where in a person's own code an error arose, and how it is told: its class, its first line, its file and line."""

from __future__ import annotations

import os
from pathlib import Path

HERE = str(Path(__file__).parent.parent)
"""Trainwright's own files: an error is named by the line of a person's code that led to it."""
STANDARD = str(Path(os.__file__).parent)
INSTALLED = ("site-packages", "dist-packages")


def own_place(error: BaseException) -> str:
    """`file:line` of the innermost call in code that is neither installed, nor Python's, nor Trainwright's; "" where there is none."""
    trace, found = error.__traceback__, ""
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        if is_own(file):
            found = f"{file}:{trace.tb_lineno}"
        trace = trace.tb_next
    return found


def own_line(error: BaseException) -> str:
    """The same in brackets, as it ends a sentence."""
    place = own_place(error)
    return f" ({place})" if place else ""


def at_own_line(error: BaseException) -> str:
    """What to change, as far as it can be told: the line of a person's code."""
    place = own_place(error)
    return f"change what {place} does" if place else "change the code that is named"


def arose_in_own_code(error: BaseException) -> bool:
    """Whether the innermost call is in a person's own code: that raised it, not a library which was given something wrong."""
    trace = error.__traceback__
    if trace is None:
        return False
    while trace.tb_next is not None:
        trace = trace.tb_next
    return is_own(trace.tb_frame.f_code.co_filename)


def describe_failure(error: BaseException) -> str:
    """`KeyError: 'x' (net.py:12)`: class, first line, and the line of a person's code where there is one."""
    said = str(error).strip().partition("\n")[0]
    return (f"{type(error).__name__}: {said}" if said else type(error).__name__) + own_line(error)


def is_own(file: str) -> bool:
    """Whether a file is neither installed, nor of Python, nor of Trainwright."""
    return not (file.startswith((HERE, STANDARD, "<")) or any(each in file for each in INSTALLED))

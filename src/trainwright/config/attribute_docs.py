"""What stands below the options of a class in its source: their descriptions.

As pydantic's `use_attribute_docstrings`, which looks through all imported modules for each frame of the stack: where thousands are
imported, that takes 40 ms for a class, and for one that is made without source just as long.
"""

from __future__ import annotations

import ast
import inspect
import linecache
import re
import sys
import textwrap
from collections.abc import Iterator, Sequence
from types import FrameType


def attribute_docs(name: str, module: str) -> dict[str, str]:
    """Attribute → the string below it, of the class `name` that the code of `module` is making now; nothing where it has no source."""
    for frame in _stack(sys._getframe(1)):
        if frame.f_globals.get("__name__") == module and (found := _class_at(frame, name)) is not None:
            return dict(_documented(found))
    return {}


def _stack(frame: FrameType | None) -> Iterator[FrameType]:
    while frame is not None:
        yield frame
        frame = frame.f_back


def _class_at(frame: FrameType, name: str) -> ast.ClassDef | None:
    """The class of this name whose statement begins where a frame is."""
    file = frame.f_code.co_filename
    linecache.checkcache(file)
    lines = linecache.getlines(file, frame.f_globals)[frame.f_lineno - 1 :]
    if not lines or not lines[0].lstrip().startswith(("class ", "@")):
        return None
    for cut in (_indented, inspect.getblock):
        try:
            found = ast.parse(_as_statement(cut(lines)))
        except SyntaxError:  # it was cut within a string or a bracket
            continue
        return next((each for each in ast.walk(found) if isinstance(each, ast.ClassDef) and each.name == name), None)
    return None


def _indented(lines: Sequence[str]) -> Sequence[str]:
    """A class with all lines below it that are further to the right: quicker than by tokens, and nearly always all of it."""
    beginning = lines[0][: len(lines[0]) - len(lines[0].lstrip())]
    within = re.compile(rf"{beginning}[ \t]+\S|\s*(#|$)")
    first = next((number for number, line in enumerate(lines) if line.startswith(f"{beginning}class ")), 0)
    last = next((number for number, line in enumerate(lines[first + 1 :], first + 1) if not within.match(line)), len(lines))
    return lines[:last]


def _as_statement(lines: Sequence[str]) -> str:
    """Text that can be read alone; a class within a function may hold strings that are less far to the right than it."""
    text = textwrap.dedent("".join(lines))
    return f"if True:\n{text}" if text.startswith((" ", "\t")) else text


def _documented(found: ast.ClassDef) -> Iterator[tuple[str, str]]:
    for one, other in zip(found.body, found.body[1:], strict=False):
        if isinstance(one, ast.AnnAssign) and isinstance(one.target, ast.Name) and isinstance(other, ast.Expr):
            value = other.value
            if isinstance(value, ast.Constant) and isinstance(value.value, str):
                yield one.target.id, inspect.cleandoc(value.value)

"""What a run or a model from elsewhere may not do: have code imported, run or fetched because a file in it names it.

`reading(folder)` surrounds everything that is built from the files of a run. Inside, `ask` is called before anything that a path names
is imported, and refuses it unless the person named it too in this process, has signed these files, or has said `--trust-code`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import wraps
from pathlib import Path
from types import TracebackType
from typing import Concatenate, ParamSpec, Protocol, TypeVar

from trainwright.config.errors import ConfigError, RequestError
from trainwright.config.signature import unsigned_because

F = TypeVar("F", bound="FromFiles")
P = ParamSpec("P")
R = TypeVar("R")
MOST_SHOWN, LONGEST = 6, 300
MARKS = ("run.json", "position.json", "features.json", "checkpoints.json", "code.json", "command.txt", "group.json", "signature.json")
"""A file beside one of these is a run's or an exported model's, not a person's own configuration."""


@dataclass
class Received:
    """A folder whose files name what is built, and what they have named so far."""

    folder: Path
    used: set[str] = field(default_factory=set)
    """Code that was imported, since it may be."""
    refused: dict[str, str] = field(default_factory=dict)
    """Name → what it would have run."""
    unsigned: str | None = None
    """Why the files are not known to be this person's; None before it was looked at."""

    @property
    def trusted(self) -> bool:
        """Whether these files may name code."""
        if _consent.get():
            return True
        if self.unsigned is None:
            self.unsigned = unsigned_because(self.folder)
        return not self.unsigned


_reading: ContextVar[Received | None] = ContextVar("reading", default=None)
_consent: ContextVar[bool] = ContextVar("consent", default=False)
_own: set[str] = set()
"""Code that the person named in this process: in a configuration, on the command line or in Python."""
_said: set[str] = set()
"""Texts of settings on the command line, which may be laid over the files of a run."""


class reading:
    """For the length of a `with` block parts are named by the files of `folder`; None changes nothing.

    At its end RequestError is raised when anything was refused, with all of it, in place of what the refusal led to.
    """

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder

    def __enter__(self) -> None:
        around = _reading.get()
        self.scope = None
        if self.folder is not None and (around is None or around.folder != self.folder.resolve()):
            self.scope = Received(self.folder.resolve())
            self.token = _reading.set(self.scope)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self.scope is None:
            return
        _reading.reset(self.token)
        if self.scope.refused and (error is None or isinstance(error, Exception)):
            raise _refusal(self.scope) from error


def ask(name: str, would: str, written: str = "") -> None:
    """Let `name` be imported, run or fetched, or raise ConfigError: it is named by files of somebody else.

    `would` says what it does, `written` how it stands in the file. A file has its whole path as name, so that one of the same name
    elsewhere is another.
    """
    scope = _reading.get()
    if scope is None:
        _own.add(name)
    elif name in _own or name in _said or written in _said or (scope.trusted and not is_inside(name)):
        scope.used.add(name)
        if written in _said:  # from now on it stands there with its whole path
            _said.add(name)
    else:
        scope.refused[name] = would
        what = f"'{_printable(written or name)}' is named by a file that is not known to be yours"
        raise ConfigError(what, why=f"it would {_printable(would)}", fix=_fix())


def is_inside(place: str | Path) -> bool:
    """Whether a place lies in the folder that is read: code that came with a run is not looked for without consent.

    What signs a run is that its owner named the code, and a file inside the run may have been put there by others since.
    """
    scope = _reading.get()
    return scope is not None and not _consent.get() and Path(place).is_absolute() and Path(place).is_relative_to(scope.folder)


def name_own(texts: Iterable[str]) -> None:
    """Of settings of the command line, which may be laid over the files of a run: they are the person's own words, and may name code."""
    _said.update(texts)


def is_named(name: str) -> bool:
    """Whether a configuration names this module or file itself, under `imports` for example."""
    scope = _reading.get()
    return name in _own or (scope is not None and name in scope.used)


def is_reading() -> bool:
    """Whether what is built now is built from the files of a run or model, whose weights come with it."""
    return _reading.get() is not None


def folder_read() -> Path | None:
    """The run or model whose files are read now."""
    scope = _reading.get()
    return None if scope is None else scope.folder


def uses_code() -> bool:
    """Whether what is built here names code that no list of Trainwright's has, so that its files are worth signing."""
    scope = _reading.get()
    return bool(_own if scope is None else scope.used)


def received_folder(file: Path) -> Path | None:
    """The folder of a run, or of an exported model, in which a configuration lies; None for a configuration of one's own.

    For one deeper in a run (`code/configs/mine.yaml`) it is that deeper folder, which no signature covers.
    """
    places = (file.parent, file.resolve().parent)
    found = next((each for each in places if any(os.path.lexists(each / mark) for mark in MARKS)), None)
    return found or next((each for each in places if any(os.path.lexists(above / MARKS[0]) for above in each.parents)), None)


@contextmanager
def trusting(consent: bool) -> Iterator[None]:
    """With `consent`, files of others may name code, for the length of a `with` block."""
    token = _consent.set(consent or _consent.get())
    try:
        yield
    finally:
        _consent.reset(token)


def consents() -> bool:
    """Whether files of others may name code here, so that what is built later may be built by the same consent."""
    return _consent.get()


def trust() -> None:
    """The person said `--trust-code`: it holds until the command ends, which runs in a context of its own."""
    _consent.set(True)


class FromFiles(Protocol):
    """What was read from files: a configuration, a run, a system with its weights."""

    @property
    def received(self) -> Path | None:
        """The folder of the run they belong to; None for a configuration of one's own."""


def as_received(function: Callable[Concatenate[F, P], R]) -> Callable[Concatenate[F, P], R]:
    """The function, with all that it builds named by the files of its first argument."""

    @wraps(function)
    def called(first: F, /, *args: P.args, **kwargs: P.kwargs) -> R:
        with reading(first.received):
            return function(first, *args, **kwargs)

    return called


def _refusal(scope: Received) -> RequestError:
    shown = [_printable(each) for each in dict.fromkeys(scope.refused.values())]
    unsigned = scope.unsigned or "the code lies inside the run, where anybody may have put it"
    more = f", and {len(shown) - MOST_SHOWN} more" if len(shown) > MOST_SHOWN else ""
    why = f"it would {'; '.join(shown[:MOST_SHOWN])}{more}; nothing of it was run"
    known = f"this is not known to be a run of yours: {unsigned}"
    return RequestError("it names code that is not run without consent", where=str(scope.folder), why=f"{why}. {known}", fix=_fix())


def _printable(text: str) -> str:
    """Text out of somebody else's file, without what would steer a terminal, and not longer than can be read."""
    return "".join(each if each.isprintable() else repr(each)[1:-1] for each in text[:LONGEST])


def _fix() -> str:
    return "read that code; if you trust it, add --trust-code (in Python trust_code=True)"

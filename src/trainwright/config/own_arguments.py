"""Arguments of the user's own: a parser named in the config reads what the command does not know; `tw.arguments()` has them."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Sequence
from contextvars import ContextVar
from pathlib import Path

from trainwright.config.errors import FOREIGN, ConfigError
from trainwright.config.foreign import found_at, looking_in
from trainwright.config.old_forms.with_parser import refusing
from trainwright.config.own_code import describe_failure

_read: ContextVar[argparse.Namespace | None] = ContextVar("own_arguments", default=None)
_latest: list[argparse.Namespace] = []
"""The last ones read, for threads and workers, which do not see the context of the main thread."""


def own_parser(path: str, folders: Iterable[Path] = ()) -> argparse.ArgumentParser:
    """The parser that a function at `./my_args.py:make_parser` or `package.module:make_parser` returns; raises ConfigError otherwise."""
    with looking_in(folders):
        make: Callable[[], object] = found_at(path)[0]
    try:
        made = make()
    except FOREIGN as error:
        why = describe_failure(error)
        raise ConfigError(f"'{path}' makes no parser", where="parser", why=why, fix="name a function without arguments") from error
    if not isinstance(made, argparse.ArgumentParser):
        why = f"it returns {type(made).__name__}"
        raise ConfigError(f"'{path}' makes no parser", where="parser", why=why, fix="return an argparse.ArgumentParser")
    return made


def read_arguments(path: str, words: Sequence[str], folders: Iterable[Path] = ()) -> argparse.Namespace:
    """Read words with the user's own parser and keep the result for `arguments`; raises ConfigError with what the parser refuses."""
    parser = own_parser(path, folders)
    with refusing(parser, "command line"):
        found, unknown = argparse.ArgumentParser.parse_known_args(parser, list(words))
        if unknown:
            parser.error(f"unrecognized arguments: {' '.join(unknown)}")
    _read.set(found)
    _latest[:] = [found]
    return found


def arguments() -> argparse.Namespace:
    """What the parser named by `parser:` in the config read from the command line; raises ConfigError when the config names none."""
    found = _read.get() or (_latest[0] if _latest else None)
    if found is None:
        fix = "name a function that returns an ArgumentParser, for example parser: ./my_args.py:make_parser"
        raise ConfigError("there are no arguments of your own", why="the config has no `parser`", fix=fix)
    return found

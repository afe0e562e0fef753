"""`key = value` files typed by an argparse parser, as configargparse hands them to it: flags, lists and unknown keys included."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

from trainwright.config.errors import ConfigError, ManyErrors, RequestError, did_you_mean
from trainwright.config.old_forms.key_value import KeyValueLine, read_lines

TRUE = ("true", "yes", "on", "1")
FALSE = ("false", "no", "off", "0")


def read_with_parser(path: Path, parser: argparse.ArgumentParser) -> dict[str, Any]:
    """Every option of the parser with its value from the file, or its default.

    Raises ConfigError (ManyErrors for several) with the place of unknown keys, the nearest one, and values that the parser refuses.
    """
    problems: list[RequestError] = []
    words: list[str] = []
    for line in read_lines(path, sections=False):
        key = ".".join(line.keys)
        action = find_option(parser, key)
        try:
            if action is None:
                names = [each.lstrip("-") for each in parser._option_string_actions if each.startswith("--") and each != "--help"]
                raise ConfigError(f"unknown option '{key}'", where=str(line.key_place), fix=did_you_mean(key, names))
            added = words_of(action, line, key)
            with refusing(parser, str(line.place)):
                _try_parser(parser, action, added)
            words += added
        except RequestError as error:
            problems.append(error)
    if problems:
        raise problems[0] if len(problems) == 1 else ManyErrors(problems)
    with refusing(parser, str(path)):
        # Not `parse_args`: a configargparse parser would read its own files and variables there.
        found, _ = argparse.ArgumentParser.parse_known_args(parser, words)
    return vars(found)


def find_option(parser: argparse.ArgumentParser, key: str) -> argparse.Action | None:
    """The option that a key of a file means: its long name (`-` equal to `_`), or where it is kept."""
    folded = key.replace("-", "_")
    for each in parser._actions:
        if any(name.lstrip("-").replace("-", "_") == folded for name in each.option_strings):
            return each
    return None


def words_of(action: argparse.Action, line: KeyValueLine, key: str) -> list[str]:
    """A line of a file as words of a command line."""
    name, value = action.option_strings[-1], line.value
    if isinstance(action, argparse.BooleanOptionalAction):
        return [_yes_or_no(action, line, key)]
    if action.nargs == 0:
        return _flag(action, line, key)
    if not isinstance(value, list):
        return [f"{name}={value}"]
    if isinstance(action, argparse._AppendAction):
        nested = action.nargs in ("+", "*") or isinstance(action.nargs, int)
        each_nested = ([name, *map(str, each)] if isinstance(each, list) and nested else [f"{name}={each}"] for each in value)
        return [word for words in each_nested for word in words]
    if action.nargs in ("+", "*") or (isinstance(action.nargs, int) and action.nargs > 1):
        return [name, *map(str, value)]
    if action.nargs is None and action.type is not None:
        return [f"{name}=[{', '.join(map(str, value))}]"]
    why = "the parser takes one value for it"
    raise ConfigError(f"'{key}' is a list", where=str(line.place), why=why, fix='declare it with action="append" or nargs="+"')


def _flag(action: argparse.Action, line: KeyValueLine, key: str) -> list[str]:
    text = str(line.value).lower()
    if isinstance(action, argparse._CountAction) and text.isdigit():
        return [action.option_strings[-1]] * int(text)
    if text in TRUE + FALSE:
        return [action.option_strings[-1]] if text in TRUE else []
    raise ConfigError(f"'{key}' is a flag, and '{line.value}' is not true or false", where=str(line.place), fix="write true or false")


def _yes_or_no(action: argparse.Action, line: KeyValueLine, key: str) -> str:
    text = str(line.value).lower()
    if text not in TRUE + FALSE:
        raise ConfigError(f"'{key}' is a flag, and '{line.value}' is not true or false", where=str(line.place), fix="write true or false")
    return next(each for each in action.option_strings if each.startswith("--no-") is (text in FALSE))


def _try_parser(parser: argparse.ArgumentParser, action: argparse.Action, words: list[str]) -> None:
    """One option alone, so that what is wrong with it is told at its own place, and nothing else is asked for."""
    alone = argparse.ArgumentParser(add_help=False, allow_abbrev=False, prefix_chars=parser.prefix_chars)
    alone._registries = parser._registries
    required, action.required = action.required, False
    alone._add_action(action)
    try:
        with refusing(alone):
            alone.parse_args(words)
    finally:
        action.required = required


@contextmanager
def refusing(parser: argparse.ArgumentParser, where: str = "") -> Iterator[None]:
    """What the parser refuses is a ConfigError at `where` instead of the end of the program."""

    def error(message: str) -> NoReturn:
        said = message.removeprefix("argument ")
        raise ConfigError(said, where=where, fix=" ".join(parser.format_usage().split()))

    own = vars(parser).get("error")
    parser.error = error  # type: ignore[method-assign]
    try:
        yield
    except ConfigError as refused:
        if refused.where or not where:
            raise
        raise ConfigError(refused.what, where=where, why=refused.why, fix=refused.fix) from refused
    finally:
        if own is None:
            del parser.error
        else:
            parser.error = own  # type: ignore[method-assign]

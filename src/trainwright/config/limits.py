"""What a configuration may hold at most: depth, number of values, sizes of numbers, and characters that text can be written with."""

from __future__ import annotations

import os
import re

from trainwright.config.errors import ConfigError

MOST_DEPTH = 100
"""Mappings and lists inside each other."""
MOST_VALUES = 600_000
"""Keys and values of a file. A run writes down some thirty for every column of its table, and has to be read again."""
MOST_REPEATED = 100_000
"""Values that aliases and references repeat."""
MOST_TEXT = 1_000_000
"""Characters of a text that is put together from references."""
MOST_SEED = 2**64 - 1
LEAST_NUMBER = -(2**63)
MOST_DIGITS = 300
"""Of a whole number: more is beyond every number there is here, and Python's conversions to and from text are slow or refuse."""
MOST_NAME = 200
MOST_PATH = 3_500
UNWRITABLE = re.compile("[\0\ud800-\udfff]")


def refuse_depth(depth: int, where: str = "") -> None:
    """Raise ConfigError for a mapping or list inside so many others."""
    if depth > MOST_DEPTH:
        fix = "write it flatter, or put it into a file of its own"
        raise ConfigError(f"mappings and lists are more than {MOST_DEPTH} deep", where=where, fix=fix)


def refuse_count(count: int, where: str = "") -> None:
    """Raise ConfigError for so many values in one configuration."""
    if count > MOST_VALUES:
        why = f"there are more than {MOST_VALUES:,}"
        raise ConfigError("too many values for a configuration", where=where, why=why, fix="keep lists as long as this in a file of data")


def refuse_repeated(count: int, where: str = "") -> None:
    """Raise ConfigError for so many values that aliases or references repeat: a few lines can make any number of them."""
    if count > MOST_REPEATED:
        why = f"aliases and references repeat more than {MOST_REPEATED:,}"
        raise ConfigError("too many values for a configuration", where=where, why=why, fix="repeat less")


def refuse_digits(text: str, where: str = "") -> None:
    """Raise ConfigError for a whole number written with more digits than any number here can have."""
    if len(text) > MOST_DIGITS:
        what = f"a whole number of {len(text):,} digits"
        raise ConfigError(what, where=where, why="no option takes such a number", fix="put it in quotes if it is text")


def refuse_value(value: object, where: str = "") -> None:
    """Raise ConfigError for a number beyond 64 bits, and for text that no file can hold (NUL, half of a surrogate pair)."""
    if isinstance(value, int) and not LEAST_NUMBER <= value <= MOST_SEED:
        shown = str(value) if abs(value) < 10**30 else f"a number of {value.bit_length():,} bits"
        raise ConfigError(f"{shown} does not fit in 64 bits", where=where, fix=f"write at most {MOST_SEED}, or quote it if it is text")
    if isinstance(value, str) and (found := UNWRITABLE.search(value)):
        kind = "NUL" if found[0] == "\0" else "half of a surrogate pair (bytes that are not UTF-8)"
        raise ConfigError(f"a text holds {kind}", where=where.encode(errors="backslashreplace").decode(), fix="take that character out")


def refuse_long_path(text: str) -> None:
    """Raise ConfigError for a path that no file system here takes, room left for the names of temporary files beside it."""
    longest = max((len(os.fsencode(each)) for each in text.split("/")), default=0)
    if longest > MOST_NAME or len(os.fsencode(text)) > MOST_PATH:
        what = f"the path is too long: '{text[:40]}…'"
        fix = f"shorten it: at most {MOST_NAME} bytes between two slashes, {MOST_PATH:,} in all"
        raise ConfigError(what, why=f"it has {len(os.fsencode(text)):,} bytes, {longest:,} between two slashes", fix=fix)

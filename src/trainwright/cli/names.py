"""Values among the words of a command: none is empty, and a name with a slash at its end means no file."""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Collection

from trainwright.config.errors import RequestError

NAMES = re.compile(r"\b(FILE|FOLDER|DIR|RUN|RUN_A|RUN_B|DATA|CONFIG|MODEL|OLD|NEW)\b")
"""Words of the help text that stand for the name of a file or a folder."""

WRITTEN = re.compile(r"FILE(\.\w+)?|NEW\.\w+")
"""Those that stand for a file alone."""


def refuse_names(arguments: argparse.Namespace, actions: Collection[argparse.Action], given: Collection[str]) -> None:
    """Raises RequestError for the first value that is empty, as that of an unset variable is, or has a slash where a file is meant.

    `given`: the values of flags that were given; the others have their defaults.
    """
    for action in actions:
        if action.option_strings and action.dest not in given:
            continue
        value = getattr(arguments, action.dest, None)
        values = value if isinstance(value, list) else [value]
        if isinstance(value, list) and not action.option_strings:
            values = value[:1]  # a name; what follows are settings
        for each in values:
            if isinstance(each, str):
                _refuse_value(each, action.option_strings[0] if action.option_strings else "", str(action.metavar or action.dest))


def _refuse_value(value: str, flag: str, shown: str) -> None:
    where = f"command line: {flag or shown}"
    if not value.strip():
        why = "it is empty, as that of a shell variable is that was not set"
        raise RequestError("there is nothing in this value", where=where, why=why, fix=f"give one: {flag} {shown}".replace("  ", " "))
    if value.endswith("/") and NAMES.search(shown) and (WRITTEN.fullmatch(shown) or os.path.isfile(value.rstrip("/"))):
        fix = f"{value.rstrip('/')} for the file, or name a file in the folder"
        raise RequestError("a name with a slash at its end means a folder", where=f"{where} {value}", fix=fix)

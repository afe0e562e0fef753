"""The configuration that a command's words ask for: a file or data, and `key=value` settings."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from glob import glob
from typing import Any

from trainwright.cli.style import bold, dim, heading, two_columns, wrap
from trainwright.config.compose import Assignment, Composed, assign_option
from trainwright.config.errors import RequestError
from trainwright.config.options import Option, by_section
from trainwright.config.other_words import ANSWERS
from trainwright.engine.config import TrainerConfig
from trainwright.systems.run_config import Config, RunConfig, compose_config


def composed_from(
    words: Sequence[str], targets: Sequence[str] = (), before: Sequence[Assignment] = (), after: Sequence[Assignment] = ()
) -> Composed:
    """Compose what `trainwright train` was given: first a config or data (unless it is a setting), then settings.

    Settings in `before` come first, so that those among the words win; those in `after` belong to a part that a word may choose.
    """
    first = words[0] if words and not is_setting(words[0]) else ""
    settings: list[str | Assignment] = [*before, *(words[1:] if first else words), *after]
    stray = next((each for each in settings if isinstance(each, str) and "=" not in each), None)
    if stray is not None:
        fix = "several files are one pattern in quotes ('part-*.csv'); settings are key=value"
        raise RequestError(f"one argument too many: '{stray}'", fix=fix)
    named = [name.strip() for each in targets for name in each.split(",") if name.strip()]
    if named:
        settings.insert(0, assign_option("targets", named, f"command line: --target {','.join(targets)}"))
    if is_config(first):
        return compose_config(first, settings)
    if first:
        settings.insert(0, assign_option("data.source.path", first, f"command line: {first}"))
    return compose_config(None, settings)


def is_config(word: str) -> bool:
    """Whether the first argument names a configuration rather than data."""
    return "://" not in word and word.lower().endswith((".yaml", ".yml", ".ini", ".json", ".txt", ".cfg", ".conf")) and not is_table(word)


def is_table(word: str) -> bool:
    """Whether a .json or .txt file holds rows rather than options: it is no mapping of options, or no line of it is `key = value`."""
    if not word.lower().endswith((".json", ".txt")) or not os.path.isfile(word):  # a pipe is not opened here: it would wait
        return False
    try:
        with open(word, encoding="utf-8", errors="replace") as file:
            lines = [line.strip() for line in file.read(65_536).splitlines()]
    except OSError:
        return False
    if word.lower().endswith(".json") and "".join(lines).startswith("["):
        return True
    written = [line for line in lines if line and not line.startswith(("#", ";", "["))]
    if word.lower().endswith(".json"):
        if (written and not written[0].startswith("{")) or (len(written) > 1 and all(each.startswith("{") for each in written)):
            return True
        return _is_object_of_data(word)
    return not written or not all("=" in line.partition("#")[0] for line in written)


MOST_OF_OPTIONS = 1 << 26
"""Bytes of a .json file that may hold options; a larger one holds data."""


def _is_object_of_data(path: str) -> bool:
    """Whether a .json file holds one object of data: rows under a name, columns, or rows by their numbers."""
    try:
        if os.path.getsize(path) > MOST_OF_OPTIONS:
            return True
        with open(path, encoding="utf-8-sig") as file:
            found = json.load(file)
    except (OSError, ValueError, RecursionError):
        return False  # what is wrong with it is told where it is read
    return isinstance(found, dict) and bool(found) and holds_data(found)


def holds_data(found: Mapping[str, Any]) -> bool:
    """Whether an object is data rather than options, as far as its keys at the top and the form of what is below them tell."""
    if isinstance(found.get("data"), list):  # options name a dataset there
        return True
    options = {*Config.model_fields, *(name for names in Config.short.values() for name in names), "base"}
    given = options & {key.partition(".")[0] for key in found}
    values = list(found.values())
    rows = [key for key, each in found.items() if isinstance(each, list) and each and all(isinstance(one, dict) for one in each)]
    if rows:
        return not given and not all(_is_meant(key, options) for key in rows)
    if all(isinstance(each, list) for each in values) and len({len(each) for each in values}) == 1:
        numbers = any(not isinstance(value, str) for each in values for value in each)
        return not all(_is_meant(key, options) for key in found) and (not given or (numbers and len(values[0]) > 2))
    below = [set(each) for each in values if isinstance(each, dict)]
    if not below or len(below) < len(values):
        return False
    by_number = all(map(str.isdigit, found)) or all(each and all(map(str.isdigit, each)) for each in below)
    alike = len(below) > 1 and bool(below[0]) and all(each == below[0] for each in below)
    return by_number or (alike and not given and not any(_is_meant(key, options) for key in found))


def _is_meant(key: str, options: set[str]) -> bool:
    """Whether a key is an option (of `trainer` and `run` too), in another framework's word or with a slip of a letter."""
    known = sorted({*options, *TrainerConfig.model_fields, *RunConfig.model_fields})
    return key.lower() in ANSWERS or bool(get_close_matches(key.lower(), known, 1, 0.88))


def is_setting(word: str) -> bool:
    """Whether a word is `key=value` (and not data with an equals sign, as `year=2024/part.csv` or `a.zip#sha256=…`)."""
    key, equals, _ = word.partition("=")
    return bool(equals) and "/" not in key and not key.endswith("#sha256") and not os.path.exists(word) and not glob(word)


USUAL = {
    "targets": ("survived", "what to predict, as --target"),
    "ignore": ("[name, ticket]", "columns to leave out"),
    "data.split": ("random", "how rows are divided into training, validation and test"),
    "trainer.max_epochs": ("40", "passes over the training rows; early stopping usually ends a run before"),
    "trainer.batch_size": ("128", "samples per step, or auto"),
    "trainer.optimizer.learning_rate": ("3e-4", "or auto, which tries some"),
    "trainer.monitor": ("roc_auc", "the validation metric that picks the best weights"),
    "run.dir": ("runs/first", "where the run is written"),
    "run.seed": ("3", "of the split, the first weights and the order"),
    "run.device": ("cpu", "auto, cpu, cuda or mps"),
}
"""The settings that people use most: an example of each, and what it says."""


def usual_settings() -> str:
    """The ten settings that people use, for the beginning of a help text."""
    rows = [(f"{path}={value}", meaning) for path, (value, meaning) in USUAL.items()]
    return f"{heading('settings people use most')}\n{two_columns(rows, most=38)}\n{wrap('All others are at the end.', 2)}"


def every_setting() -> str:
    """All options of the configuration, by section, for the end of a help text."""
    first = "Any of these as key=value (- and _ are the same), or in a YAML file."
    parts = "Parts (optimizer, encoder, …) have options of their own: trainwright list KIND.NAME."
    blocks = [f"{heading('all settings')}\n{wrap(f'{first} {parts}', 2)}"]
    for section, options in by_section(Config).items():
        lines = [heading(section)] if section else []
        blocks.append("\n".join([*lines, *(describe_option(each) for each in options)]))
    return "\n\n".join(blocks)


def describe_option(option: Option) -> str:
    """An option in two lines: path, type and default; meaning."""
    default = "required" if option.required else f"default {option.default}"
    first = f"  {bold(option.path)}  {option.type}  {dim(f'({default})')}"
    return f"{first}\n{wrap(option.meaning, 6)}" if option.meaning else first

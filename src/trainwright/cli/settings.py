"""The configuration that a command's words ask for: a file or data, and `key=value` settings."""

from __future__ import annotations

import os
from collections.abc import Sequence
from glob import glob

from trainwright.cli.style import bold, dim, heading, two_columns, wrap
from trainwright.config.compose import Assignment, Composed, assign_option
from trainwright.config.errors import RequestError
from trainwright.config.options import Option, by_section
from trainwright.systems.run_config import Config, compose_config


def composed_from(words: Sequence[str], targets: Sequence[str] = (), before: Sequence[Assignment] = ()) -> Composed:
    """Compose what `trainwright train` was given: first a config or data (unless it is a setting), then settings.

    Settings in `before` come first, so that those among the words win.
    """
    first = words[0] if words and not is_setting(words[0]) else ""
    settings: list[str | Assignment] = [*before, *(words[1:] if first else words)]
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
    """Whether a .json or .txt file holds rows rather than options: it is no mapping, or no line of it is `key = value`."""
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
        return (bool(written) and not written[0].startswith("{")) or (len(written) > 1 and all(each.startswith("{") for each in written))
    return not written or not all("=" in line.partition("#")[0] for line in written)


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

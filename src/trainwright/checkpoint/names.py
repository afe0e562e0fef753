"""Names of checkpoints and of their files: second ones, from a pattern such as `{step:08d}-{validation/loss:.3f}`, and those of ranks."""

from __future__ import annotations

import re
from collections.abc import Mapping
from string import Formatter

from trainwright.config.errors import ConfigError, did_you_mean

FOLDER = re.compile(r"(step|weights)-\d{8,}")
"""Names of the checkpoints' own directories, which no second name may look like."""
COLUMNS = ("step", "epoch", "seconds", "learning_rate", "gradient_norm", "samples_per_second")
"""Columns of every row; those of metrics have a `/` in their names."""
POINTERS = ("last", "best")
NOT_IN_NAMES = re.compile(r'[/\\:*?"<>|\x00-\x1f]')


def check_pattern(pattern: str) -> str:
    """The pattern, when it makes usable names; raises ConfigError else."""
    try:
        fields = [field for _, field, _, _ in Formatter().parse(pattern) if field is not None]
        example = second_name(pattern, dict.fromkeys(fields, 1.0) | {"step": 1, "epoch": 1})
    except (ValueError, TypeError) as error:
        fix = "write for example '{step:08d}-{validation/loss:.3f}'"
        raise ConfigError(f"'{pattern}' is no pattern of a name", why=str(error), fix=fix) from error
    unknown = next((field for field in fields if field not in COLUMNS and "/" not in field), None)
    if unknown is not None:
        known = [*COLUMNS, "train/loss", "validation/loss"]
        raise ConfigError(f"there is no column '{unknown}' for a name", fix=did_you_mean(unknown, known))
    if "step" not in fields:
        raise ConfigError(f"'{pattern}' names several checkpoints alike", fix="put {step} into it")
    if FOLDER.fullmatch(example) or example in POINTERS or example.startswith(".") or len(example) > 200:
        raise ConfigError(f"'{pattern}' gives '{example}', which cannot be a second name", fix="choose another, for example 'at-{step}'")
    return pattern


def second_name(pattern: str, values: Mapping[str, float]) -> str:
    """The name for these values: `/` becomes `.`, a metric that is not known `-`. Raises ValueError for a format that does not fit."""
    made = ""
    for literal, field, spec, _ in Formatter().parse(pattern):
        made += literal
        if field is not None:
            made += format(values[field], spec or "") if field in values else "-"
    return NOT_IN_NAMES.sub(".", made).strip()


def step_of(folder: str) -> int:
    """The step in the name of a checkpoint's own directory."""
    return int(folder.rpartition("-")[2])


def part_name(file: str, rank: int) -> str:
    """The file of a rank's parts: `system.rank-1.safetensors`."""
    stem, dot, suffix = file.rpartition(".")
    return f"{stem}.rank-{rank}{dot}{suffix}"


def rank_of(file: str) -> int | None:
    """The rank whose parts a file holds; None for one of another name."""
    _, mark, number = file.rpartition(".")[0].rpartition(".rank-")
    return int(number) if mark and number.isdigit() else None

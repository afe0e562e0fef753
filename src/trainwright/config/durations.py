"""`Duration`: how long or how often, written as a number and a unit (`10 epochs`, `500 steps`, `2 h`, `0.1 run`)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema

from trainwright.config.errors import ConfigError, nearest
from trainwright.config.model import as_refusal, text_schema

SPELLINGS: dict[str, tuple[str, ...]] = {
    "epochs": ("epochs", "epoch"),
    "steps": ("steps", "step"),
    "s": ("s", "sec", "second", "seconds"),
    "min": ("min", "mins", "minute", "minutes"),
    "h": ("h", "hour", "hours"),
    "d": ("d", "day", "days"),
    "run": ("run", "runs"),
}
"""Unit as kept → the ways it may be written."""

SECONDS: dict[str, int] = {"s": 1, "min": 60, "h": 3600, "d": 86400}
UNITS: dict[str, str] = {spelling: unit for unit, spellings in SPELLINGS.items() for spelling in spellings}
PATTERN = re.compile(r"\s*(?P<value>\d+(?:\.\d*)?(?:[eE][+-]?\d+)?|\.\d+)\s*(?P<unit>[^\W\d_]+)?\s*")
EXAMPLES = "write for example '10 epochs', '500 steps', '30 min' or '0.1 run'"


@dataclass(frozen=True)
class Duration:
    """A length or an interval: `value` counted in `unit`: epochs, steps, s, min, h, d, or run (the share of the whole run)."""

    value: int | float
    unit: str

    @classmethod
    def parse(cls, text: Any) -> Duration:
        """The duration that `text` spells; raises ConfigError naming the nearest unit."""
        if isinstance(text, Duration):
            return text
        if isinstance(text, int | float) and not isinstance(text, bool):
            fix = f"write '{text:g} steps', '{text:g} epochs' or '{text:g} s'" if text > 0 else EXAMPLES
            raise ConfigError(f"{text} has no unit", fix=fix)
        found = PATTERN.fullmatch(text) if isinstance(text, str) else None
        if found is None:
            raise ConfigError(f"{text!r} is not a duration (a number and a unit)", fix=EXAMPLES)
        number, unit = found["value"], found["unit"]
        if unit is None:
            raise ConfigError(f"'{text}' has no unit", fix=f"write '{number} steps', '{number} epochs' or '{number} s'")
        if unit.lower() not in UNITS:
            close = nearest(unit, UNITS)
            hint = f"did you mean '{cls(_number(number), UNITS[close])}'? " if close else ""
            raise ConfigError(f"unknown unit '{unit}' in '{text}'", fix=f"{hint}units: {', '.join(SPELLINGS)}")
        return cls(_number(number), UNITS[unit.lower()])._check()

    def _check(self) -> Duration:
        if self.unit == "steps" and not isinstance(self.value, int):
            raise ConfigError(f"'{self}' is not a whole number of steps", fix="steps are counted whole, for example '500 steps'")
        if self.unit == "run" and self.value > 1:
            raise ConfigError(f"'{self}' is more than the whole run", fix="the share of a run is between 0 and 1, for example '0.1 run'")
        return self

    @property
    def kind(self) -> str:
        """What is counted: `epochs`, `steps`, `time` or `run`."""
        return "time" if self.unit in SECONDS else self.unit

    @property
    def seconds(self) -> float:
        """The duration in seconds; raises ConfigError when it does not count time."""
        if self.unit not in SECONDS:
            raise ConfigError(f"'{self}' is not a time", fix="write for example '10 s', '30 min' or '2 h'")
        return float(self.value * SECONDS[self.unit])

    def __str__(self) -> str:
        unit = self.unit.removesuffix("s") if self.value == 1 and self.unit in ("epochs", "steps") else self.unit
        return f"{self.value} {unit}"

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return text_schema(cls.parse)

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        spellings = "|".join(sorted(UNITS, key=lambda each: (-len(each), each)))
        return {
            "type": "string",
            "pattern": rf"^\s*(\d+(\.\d*)?([eE][+-]?\d+)?|\.\d+)\s*({spellings})\s*$",
            "examples": ["10 epochs", "500 steps", "30 min", "2 h", "0.1 run"],
            "x-type": "duration",
        }


def a_time(value: Duration | None) -> Duration | None:
    """The duration, refused when it does not count time."""
    if value is not None and value.kind != "time":
        raise as_refusal(ConfigError(f"'{value}' is not a time", fix="write for example '10 s', '30 min' or '2 h'"))
    return value


def above_zero(value: Duration | None) -> Duration | None:
    """The duration, refused when it is nothing."""
    if value is not None and value.value <= 0:
        raise as_refusal(ConfigError(f"'{value}' is no interval", fix="write a number above zero"))
    return value


def time_above_zero(value: Duration | None) -> Duration | None:
    """The duration, refused when it does not count time or is nothing."""
    return above_zero(a_time(value))


def _number(text: str) -> int | float:
    """Whole numbers stay integers, however they were written."""
    value = float(text)
    return int(text) if text.isdigit() else int(value) if value.is_integer() else value

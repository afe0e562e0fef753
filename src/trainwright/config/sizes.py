"""`Bytes`: an amount of memory, written as a number and a unit (`4 GiB`, `500 MB`) or as a number of bytes."""

from __future__ import annotations

import math
import re
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema

from trainwright.config.errors import ConfigError, nearest
from trainwright.config.model import text_schema

UNITS: dict[str, int] = {
    "B": 1,
    **{f"{letter}iB": 1024**power for power, letter in enumerate("KMGT", start=1)},
    **{f"{letter}B": 1000**power for power, letter in enumerate("KMGT", start=1)},
}
FOLDED: dict[str, str] = {unit.lower(): unit for unit in UNITS}
PATTERN = re.compile(r"\s*(?P<value>\d+(?:\.\d*)?(?:[eE][+-]?\d+)?|\.\d+)\s*(?P<unit>[A-Za-z]+)?\s*")
EXAMPLES = "write for example '4 GiB', '500 MB' or a number of bytes"


class Bytes(int):
    """A number of bytes that prints in its shortest exact unit (`4 GiB`)."""

    @classmethod
    def parse(cls, text: Any) -> Bytes:
        """The size that `text` spells, rounded to whole bytes; raises ConfigError naming the nearest unit."""
        if isinstance(text, int) and not isinstance(text, bool):
            if text < 0:
                raise ConfigError(f"{int(text)} is not a size: it is below zero", fix=EXAMPLES)
            return cls(text)
        found = PATTERN.fullmatch(text) if isinstance(text, str) else None
        if found is None:
            raise ConfigError(f"{text!r} is not a size (a number and a unit)", fix=EXAMPLES)
        number, unit = found["value"], found["unit"] or "B"
        if unit.lower() not in FOLDED:
            close = nearest(unit, UNITS)
            hint = f"did you mean '{number} {close}'? " if close else ""
            raise ConfigError(f"unknown unit '{unit}' in '{text}'", fix=f"{hint}units: {', '.join(UNITS)}")
        factor = UNITS[FOLDED[unit.lower()]]
        return cls(int(number) * factor if number.isdigit() else round(float(number) * factor))

    def __str__(self) -> str:
        if not self:
            return "0 B"
        exact = [f"{int(self) // factor} {unit}" for unit, factor in UNITS.items() if int(self) % factor == 0]
        return min(exact, key=len)

    def __repr__(self) -> str:
        return f"Bytes('{self}')"

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return text_schema(cls.parse)

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        letters = "([KkMmGgTt][Ii]?)?[Bb]"
        return {
            "anyOf": [
                {"type": "string", "pattern": rf"^\s*(\d+(\.\d*)?([eE][+-]?\d+)?|\.\d+)\s*({letters})?\s*$"},
                {"type": "integer", "minimum": 0},
            ],
            "examples": ["4 GiB", "500 MB"],
            "x-type": "size",
        }


def size_text(count: float) -> str:
    """A number of bytes for a reader, with three digits: `1.24 MB`."""
    power = min(max(int(math.log10(count)) // 3, 0), 4) if count >= 1 else 0
    return f"{count / 1000**power:.3g} {('B', 'kB', 'MB', 'GB', 'TB')[power]}"

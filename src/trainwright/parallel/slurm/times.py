"""How long a job may run, as people and as Slurm write it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema

from trainwright.config.durations import SECONDS, UNITS
from trainwright.config.errors import ConfigError, nearest
from trainwright.config.model import text_schema

SLURMS = re.compile(r"(?:(?P<d>\d+)-(?P<h>\d{1,2})(?::(?P<m>\d{1,2}))?(?::(?P<s>\d{1,2}))?|(?P<H>\d+):(?P<M>\d{1,2}):(?P<S>\d{1,2}))")
"""D-H, D-H:M, D-H:M:S and H:M:S."""
PIECE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]+)\s*")
OWN_UNITS = {**{name: unit for name, unit in UNITS.items() if unit in SECONDS}, "m": "min", "hr": "h", "hrs": "h"}
EXAMPLES = "write for example 4h, 90 min, 1d12h, or as Slurm does 4:00:00 or 1-12:00:00"
UNLIMITED = ("infinite", "unlimited", "n/a", "none", "")


@dataclass(frozen=True)
class JobTime:
    """A length of time of at least a minute, which is what Slurm counts in."""

    seconds: int

    @classmethod
    def parse(cls, text: Any) -> JobTime:
        """The time that `text` spells. Raises ConfigError for what is none, and for what may be read in two ways."""
        if isinstance(text, JobTime):
            return text
        if isinstance(text, int | float) and not isinstance(text, bool):
            why = "Slurm would count minutes; and what YAML reads as a number may have been 4:00:00"
            raise ConfigError(f"{text} has no unit", why=why, fix=f"write '{text:g} min' or '{text:g} h', or quote it: '4:00:00'")
        if not isinstance(text, str):
            raise ConfigError(f"{text!r} is no time", fix=EXAMPLES)
        seconds = _of_slurm(text.strip()) or _of_pieces(text)
        if seconds < 60:
            raise ConfigError(f"'{text}' is too short", why="Slurm counts minutes", fix="write 1 min or more")
        return cls(seconds)

    @property
    def slurms(self) -> str:
        """As Slurm writes it, rounded up to whole minutes, in which it counts."""
        minutes = -(-self.seconds // 60)
        days, minutes = divmod(minutes, 24 * 60)
        return f"{days}-{minutes // 60:02}:{minutes % 60:02}:00" if days else f"{minutes // 60:02}:{minutes % 60:02}:00"

    def __str__(self) -> str:
        for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
            if self.seconds % size == 0:
                return f"{self.seconds // size} {unit}"
        return f"{self.seconds} s"

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return text_schema(cls.parse)

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {
            "type": "string",
            "pattern": r"^\s*((\d+(\.\d+)?\s*[A-Za-z]+\s*)+|\d+-\d{1,2}(:\d{1,2}){0,2}|\d+:\d{1,2}:\d{1,2})\s*$",
            "examples": ["4h", "90 min", "1d12h", "4:00:00", "1-12:00:00"],
        }


def read_limit(text: str) -> int | None:
    """The seconds of a limit as Slurm's programs print it (`1-00:00:00`, `30:00`, `5`); None where there is none."""
    if text.strip().lower() in UNLIMITED or not re.fullmatch(r"[\d:-]+", text.strip()):
        return None
    days, _, rest = text.strip().rpartition("-")
    numbers = [int(each) for each in rest.split(":")]
    hours, minutes, seconds = [0] * (3 - len(numbers)) + numbers if not days else numbers + [0] * (3 - len(numbers))
    if not days and len(numbers) == 1:
        return numbers[0] * 60
    return int(days or 0) * 86400 + hours * 3600 + minutes * 60 + seconds


def describe_seconds(seconds: float) -> str:
    """A length of time in words, whole in its unit where it is."""
    return str(JobTime(int(seconds)))


def _of_slurm(text: str) -> int:
    """The seconds of a time in Slurm's own form; 0 for another form. Raises ConfigError for those that people misread."""
    found = SLURMS.fullmatch(text)
    if found is not None:
        return read_limit(text) or 0
    if re.fullmatch(r"\d+:\d{1,2}", text):
        left, right = text.split(":")
        why = f"for Slurm it is {left} minutes and {right} seconds; many mean hours and minutes"
        raise ConfigError(f"'{text}' can be read in two ways", why=why, fix=f"write {left}h{int(right)}m, or {left}m{int(right)}s")
    if re.fullmatch(r"\d+(\.\d+)?", text):
        fix = f"write '{text} min' or '{text} h'"
        raise ConfigError(f"'{text}' has no unit", why="Slurm would count minutes", fix=fix)
    return 0


def _of_pieces(text: str) -> int:
    """The seconds of numbers with units (`1d12h`, `90 min`)."""
    pieces, place = [], 0
    while found := PIECE.match(text, place):
        pieces.append((float(found[1]), found[2]))
        place = found.end()
    if not pieces or place != len(text):
        raise ConfigError(f"'{text}' is no time", fix=EXAMPLES)
    strange = next((unit for _, unit in pieces if unit.lower() not in OWN_UNITS), None)
    if strange is not None:
        close = nearest(strange, OWN_UNITS)
        counted = ", as a job of Slurm has no steps or epochs" if strange.lower() in UNITS else ""
        hint = f"did you mean '{close}'? " if close and not counted else ""
        raise ConfigError(f"unknown unit '{strange}' in '{text}'{counted}", fix=f"{hint}units: s, min, h, d")
    return round(sum(number * SECONDS[OWN_UNITS[unit.lower()]] for number, unit in pieces))

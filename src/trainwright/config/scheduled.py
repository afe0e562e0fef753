"""`Scheduled`: a number that changes over the run, a pure function of (step, epoch).

`0.1` stays; `[v0, v1, end]` goes from v0 at the start to v1 at `end`; `[s0, v0, v1, s1]` keeps v0 until s0 and reaches v1 at s1; longer
lists add `v2, s2` and so on. Places are whole numbers (steps), numbers with a point (epochs), or durations (`500 steps`, `2 epochs`).
"""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema

from trainwright.config.durations import Duration
from trainwright.config.errors import ConfigError, did_you_mean
from trainwright.config.model import refusal

SHAPES = ("linear", "exponential")
EXAMPLES = "write for example 0.1, [1.0, 0.1, 5000], [1000, 1.0, 0.1, 5000] or ['2 epochs', 1.0, 0.1, '10 epochs']"


@dataclass(frozen=True)
class Scheduled:
    """Values reached at places, and between them a straight line, or equal ratios with `shape` exponential."""

    values: tuple[float, ...]
    places: tuple[int | float, ...] = ()
    """Where each value is reached, increasing; empty for a constant."""
    unit: str = "steps"
    """What places count: `steps` or `epochs`."""
    shape: str = "linear"

    @classmethod
    def parse(cls, given: Any) -> Scheduled:
        """The number that a value of a configuration spells; raises ConfigError saying how to write one."""
        if isinstance(given, Scheduled):
            return given
        if isinstance(given, dict):
            return cls._of_mapping(given)
        if isinstance(given, list | tuple):
            return cls._of_list(list(given), "linear")
        return cls((_number(given, "the value"),))

    @classmethod
    def _of_mapping(cls, given: dict[Any, Any]) -> Scheduled:
        unknown = [str(key) for key in given if key not in ("values", "shape")]
        if unknown or "values" not in given:
            what = f"unknown key '{unknown[0]}'" if unknown else "a scheduled number in braces needs `values`"
            raise ConfigError(what, fix="write {values: [1000, 1.0, 0.1, 5000], shape: exponential}")
        shape, values = given.get("shape", "linear"), given["values"]
        if shape not in SHAPES:
            raise ConfigError(f"unknown shape {shape!r}", fix=did_you_mean(str(shape), SHAPES))
        if not isinstance(values, list | tuple):
            raise ConfigError(f"{values!r} is no list of places and values", fix=EXAMPLES)
        return cls._of_list(list(values), shape)

    @classmethod
    def _of_list(cls, given: list[Any], shape: str) -> Scheduled:
        if len(given) == 3:
            given = [0, *given]
        if len(given) < 4 or len(given) % 2:
            what = f"a scheduled number is written with 3, 4, 6, 8 … items, not {len(given)}"
            raise ConfigError(what, why="[v0, v1, end], or [s0, v0, v1, s1] and then pairs of a value and its place", fix=EXAMPLES)
        values = tuple(_number(each, "a value") for each in [given[1], *given[2::2]])
        places, unit = _places([given[0], *given[3::2]])
        if shape == "exponential" and not (min(values) > 0 or max(values) < 0):
            raise ConfigError(
                "an exponential number has values of one sign, and none is 0", fix="use shape: linear, or a small value for 0"
            )
        return cls(values, places, unit, shape)

    def value(self, step: int, epoch: float) -> float:
        """The number at `step` (updates made) and `epoch` (passes over the data, with the share of the present one)."""
        if not self.places:
            return self.values[0]
        now = step if self.unit == "steps" else epoch
        after = bisect_right(self.places, now)
        if after in (0, len(self.places)):
            return self.values[0 if after == 0 else -1]
        first, last = self.values[after - 1 : after + 1]
        done = (now - self.places[after - 1]) / (self.places[after] - self.places[after - 1])
        if self.shape == "exponential":
            return first * (last / first) ** done
        return first + (last - first) * done

    @property
    def is_constant(self) -> bool:
        """Whether it never changes."""
        return len(set(self.values)) == 1

    @property
    def least(self) -> float:
        """The lowest value it takes."""
        return min(self.values)

    @property
    def most(self) -> float:
        """The highest value it takes."""
        return max(self.values)

    def written(self) -> Any:
        """As it is written in a configuration, so that `parse` gives the same again."""
        if not self.places:
            return self.values[0]
        spelled = [str(Duration(each, self.unit)) for each in self.places]
        pairs = [each for pair in zip(self.values[1:], spelled[1:], strict=True) for each in pair]
        listed = [spelled[0], self.values[0], *pairs]
        return listed if self.shape == "linear" else {"values": listed, "shape": self.shape}

    def __str__(self) -> str:
        written = self.written()
        listed = written["values"] if isinstance(written, dict) else written
        if not isinstance(listed, list):
            return f"{listed:g}"
        text = "[" + ", ".join(each if isinstance(each, str) else f"{each:g}" for each in listed) + "]"
        return text if self.shape == "linear" else f"{{values: {text}, shape: {self.shape}}}"

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        written = core_schema.plain_serializer_function_ser_schema(cls.written)
        return core_schema.no_info_plain_validator_function(refusal(cls.parse), serialization=written)

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        listed = {"type": "array", "items": {"anyOf": [{"type": "number"}, {"type": "string"}]}, "minItems": 3}
        braces = {
            "type": "object",
            "properties": {"values": listed, "shape": {"enum": list(SHAPES)}},
            "required": ["values"],
            "additionalProperties": False,
        }
        return {"anyOf": [{"type": "number"}, listed, braces], "examples": [0.1, [1.0, 0.1, 5000], [1000, 1.0, 0.1, 5000]]}


def _number(given: Any, what: str) -> float:
    if isinstance(given, bool) or not isinstance(given, int | float):
        raise ConfigError(f"{what} is {given!r}, which is no number", fix=EXAMPLES)
    if not math.isfinite(given):
        raise ConfigError(f"{what} is {given}, which is not finite", fix=EXAMPLES)
    return float(given)


def _places(given: list[Any]) -> tuple[tuple[int | float, ...], str]:
    """The places as numbers and what they all count; a start written as a number counts what the first end counts."""
    ends = [_place(each) for each in given[1:]]
    start = _place(given[0])
    if not isinstance(given[0], str | Duration) or start.value == 0:
        start = Duration(start.value, ends[0].unit)
        if start.unit == "steps" and start.value != int(start.value):
            raise ConfigError(f"the start {given[0]} is no whole number of steps", why="the ends count steps", fix=EXAMPLES)
    places = [start, *ends]
    if len({each.unit for each in places}) > 1:
        why = f"here are {', '.join(map(str, places))}: whole numbers count steps, numbers with a point count epochs"
        raise ConfigError("the places count steps and epochs", why=why, fix="count all in one: [0, 1.0, 0.1, 5000]")
    if any(after.value <= before.value for before, after in pairwise(places)):
        raise ConfigError(f"the places must increase: {', '.join(map(str, places))}", fix=EXAMPLES)
    return tuple(each.value for each in places), places[0].unit


def _place(given: Any) -> Duration:
    if isinstance(given, str | Duration):
        found = Duration.parse(given)
        if found.unit not in ("steps", "epochs"):
            raise ConfigError(f"'{found}' counts neither steps nor epochs", fix="write for example '500 steps' or '2 epochs'")
        return found
    number = _number(given, "a place")
    if number < 0:
        raise ConfigError(f"a place is {given}, which is below 0", fix=EXAMPLES)
    return Duration(number, "epochs") if isinstance(given, float) else Duration(given, "steps")

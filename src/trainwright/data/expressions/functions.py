"""What an expression may call: each function with the kinds it takes and gives, and its calculation in Arrow."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

NUMBER, TEXT, TRUTH, TIME, ANY = "number", "text", "truth", "time", "any"

NUMBER_TEXT = r"^\s*[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?\s*$"
"""A number as it is written."""


@dataclass(frozen=True)
class Function:
    """A function: the kinds of its arguments (`|` between several), the kind of its result, and what calculates it."""

    takes: tuple[str, ...]
    gives: str
    call: Callable[..., Any]
    meaning: str
    fixed: int = 0
    """How many arguments, counted from the last, are written in the expression rather than in a column."""
    optional: int = 0
    """How many arguments, counted from the last, may be left out."""
    more: bool = False
    """Whether the last argument may come several times."""
    whole: str = ""
    """Whether a number that comes out is whole: `always`, or `kept` where those that go in are; else never."""

    @property
    def counts(self) -> str:
        """How many arguments there are, in words."""
        most, least = len(self.takes), len(self.takes) - self.optional
        number = f"{most} or more" if self.more else f"{least} or {most}" if self.optional else str(most)
        return f"{number} argument{'' if number == '1' else 's'}"


def grouped_pattern(pattern: str) -> str:
    """The pattern with a name for every group that has none, and one round the whole where it has no group; RE2 gives groups by name."""
    named, inside, place, count = "", False, 0, 0
    while place < len(pattern):
        letter = pattern[place]
        if letter == "\\":
            named, place = named + pattern[place : place + 2], place + 2
            continue
        inside = (inside or letter == "[") and not (inside and letter == "]")
        if letter == "(" and not inside and pattern[place + 1 : place + 2] != "?":
            named, count = f"{named}(?P<group{count}>", count + 1
        else:
            named, count = named + letter, count + (pattern[place : place + 4] == "(?P<" and not inside)
        place += 1
    return named if count else f"(?P<group0>{pattern})"


def _extract(texts: Any, pattern: str) -> Any:
    found = pc.extract_regex(texts, pattern=grouped_pattern(pattern))
    return pc.struct_field(found, [0])


def _number(values: Any) -> Any:
    if pa.types.is_string(values.type):
        written = pc.match_substring_regex(values, NUMBER_TEXT)
        return pc.utf8_trim_whitespace(pc.if_else(written, values, pa.scalar(None, pa.string()))).cast(pa.float64())
    return values.cast(pa.int8()).cast(pa.int64()) if pa.types.is_boolean(values.type) else values


def _date(values: Any, form: str = "") -> Any:
    if pa.types.is_timestamp(values.type):
        return pc.floor_temporal(values, unit="day")
    if form:
        return pc.strptime(values, format=form, unit="us", error_is_null=True)
    days = pc.utf8_slice_codeunits(pc.utf8_trim_whitespace(values), 0, 10)
    return pc.strptime(days, format="%Y-%m-%d", unit="us", error_is_null=True)


def _least(*each: Any) -> Any:
    return pc.min_element_wise(*each, skip_nulls=False)


def _greatest(*each: Any) -> Any:
    return pc.max_element_wise(*each, skip_nulls=False)


def _text(values: Any) -> Any:
    return values.cast(pa.string())


def _round(values: Any, digits: float = 0) -> Any:
    return pc.round(values.cast(pa.float64()), ndigits=int(digits), round_mode="half_to_even")


def _of_floats(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda values: function(values.cast(pa.float64()))


def _as_count(function: Callable[..., Any], **options: Any) -> Callable[[Any], Any]:
    return lambda values: function(values, **options).cast(pa.int64())


FUNCTIONS: dict[str, Function] = {
    "missing": Function((ANY,), TRUTH, pc.is_null, "whether there is no value"),
    "lower": Function((TEXT,), TEXT, pc.utf8_lower, "the text in small letters"),
    "upper": Function((TEXT,), TEXT, pc.utf8_upper, "the text in capitals"),
    "strip": Function((TEXT,), TEXT, pc.utf8_trim_whitespace, "the text without blanks at its ends"),
    "length": Function((TEXT,), NUMBER, _as_count(pc.utf8_length), "how many characters the text has", whole="always"),
    "contains": Function((TEXT, TEXT), TRUTH, pc.match_substring, "whether the text has this part", fixed=1),
    "startswith": Function((TEXT, TEXT), TRUTH, pc.starts_with, "whether the text begins so", fixed=1),
    "endswith": Function((TEXT, TEXT), TRUTH, pc.ends_with, "whether the text ends so", fixed=1),
    "matches": Function((TEXT, TEXT), TRUTH, pc.match_substring_regex, "whether the pattern is found in the text", fixed=1),
    "extract": Function((TEXT, TEXT), TEXT, _extract, "the first group of the pattern, or all it matches; else missing", fixed=1),
    "replace": Function((TEXT, TEXT, TEXT), TEXT, pc.replace_substring, "the text with one part put in place of another", fixed=2),
    "number": Function((f"{TEXT}|{TRUTH}|{NUMBER}",), NUMBER, _number, "a written number, true as 1; missing for any other text"),
    "text": Function((ANY,), TEXT, _text, "the value as it is written"),
    "abs": Function((NUMBER,), NUMBER, pc.abs_checked, "without its sign", whole="kept"),
    "round": Function((NUMBER, NUMBER), NUMBER, _round, "rounded to so many digits (0), halves to the even one", fixed=1, optional=1),
    "floor": Function((NUMBER,), NUMBER, _of_floats(pc.floor), "the next whole number below"),
    "log": Function((NUMBER,), NUMBER, _of_floats(pc.ln), "natural logarithm; missing for what has none"),
    "exp": Function((NUMBER,), NUMBER, _of_floats(pc.exp), "e to this power"),
    "sqrt": Function((NUMBER,), NUMBER, _of_floats(pc.sqrt), "square root; missing below 0"),
    "min": Function((NUMBER, NUMBER), NUMBER, _least, "the least", more=True, whole="kept"),
    "max": Function((NUMBER, NUMBER), NUMBER, _greatest, "the greatest", more=True, whole="kept"),
    "date": Function((f"{TEXT}|{TIME}", TEXT), TIME, _date, "a text as a date: 2024-05-31, or in a form: '%d/%m/%Y'", fixed=1, optional=1),
    "year": Function((TIME,), NUMBER, _as_count(pc.year), "the year", whole="always"),
    "month": Function((TIME,), NUMBER, _as_count(pc.month), "the month, 1 to 12", whole="always"),
    "day": Function((TIME,), NUMBER, _as_count(pc.day), "the day of the month", whole="always"),
    "weekday": Function((TIME,), NUMBER, _as_count(pc.day_of_week, count_from_zero=True, week_start=1), "0 (Monday) to 6", whole="always"),
    "hour": Function((TIME,), NUMBER, _as_count(pc.hour), "the hour, 0 to 23", whole="always"),
}
"""Name → function."""


def pattern_fault(name: str, pattern: str) -> str:
    """Why a pattern cannot be used, or an empty text."""
    if re.search(r"[\x00-\x08]", pattern):
        return "it holds a control character; write patterns with a backslash as r'…'"
    try:
        FUNCTIONS[name].call(pa.array([""]), pattern)
    except pa.ArrowInvalid as error:
        return str(error).splitlines()[0]
    return ""

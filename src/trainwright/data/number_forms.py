"""Numbers as people write them: grouped in thousands, with a currency or a percent sign, negative in parentheses, with a decimal comma."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, Self

import pyarrow as pa
import pyarrow.compute as pc

MARKS = {"none": "", "comma": ",", "point": ".", "blank": " ", "apostrophe": "'"}
"""What stands between thousands, by its word in a configuration."""
WORDS = {mark: word for word, mark in MARKS.items()}

CURRENCIES = (
    r"\p{Sc}", "USD", "EUR", "GBP", "CHF", "JPY", "CNY", "INR", "AUD", "CAD", "NZD", "SEK", "NOK", "DKK", "PLN", "CZK", "HUF", "BRL", "ZAR",
    r"US\$", r"CA?\$", r"AU?\$", r"R\$", r"kr\.?", "zł", r"Fr\.", r"SFr\.", r"Rs\.?", "Kč", "Ft",
)  # fmt: skip
"""Signs and names of currencies, as patterns of RE2."""
PERCENT = "%"
UNIT = rf"(?:{'|'.join(CURRENCIES)}|{PERCENT}|‰)"

TYPESET = "\u00a0\u2007\u2009\u202f"
"""Blanks of typesetters: unbroken, of a digit's width, thin, thin and unbroken."""
BLANKS, GAP = f"[ {TYPESET}]", rf"[\s{TYPESET}]*"
"""What stands between thousands, and what may stand between a number and its unit."""

NO_CENTS = rf"([0-9])[.,]{GAP}[-–—−]+"
"""What the Swiss write for no cents after the decimal mark (`9189.-`), which is no sign."""


@dataclass(frozen=True)
class NumberForm:
    """How the numbers of a column of text are written: what stands between thousands, and the decimal mark."""

    thousands: str
    """`,`, `.`, a blank, `'`, or empty."""
    decimal: str
    typed: bool = True
    """Whether the column became one of numbers; else every number in it is text, in the plain form, beside other texts."""

    @cached_property
    def pattern(self) -> str:
        """What matches a whole value, as a pattern of RE2."""
        return _pattern(self.thousands, self.decimal)

    def state(self) -> dict[str, Any]:
        """The form in plain JSON types."""
        return asdict(self)

    @classmethod
    def restore(cls, state: Mapping[str, Any]) -> Self:
        """The form that `state` describes; raises ValueError for none."""
        found = cls(str(state["thousands"]), str(state["decimal"]), bool(state["typed"]))
        if found.thousands not in WORDS or found.decimal not in (".", ",") or found.thousands == found.decimal:
            raise ValueError(f"numbers are not written so: {state}")
        return found

    def matches(self, texts: pa.Array | pa.ChunkedArray) -> Any:
        """Which texts are numbers written so (null where missing)."""
        return pc.match_substring_regex(texts, self.pattern)

    def plain(self, texts: Any, decimal: str = ".") -> Any:
        """The texts with every number in the form `-1234.5`, with the decimal mark given; any other text as it is."""
        numbers = self.matches(texts)
        bare = pc.replace_substring_regex(pc.replace_substring_regex(texts, NO_CENTS, r"\1"), UNIT, "")
        negative = pc.match_substring_regex(bare, r"[(\-−]")
        digits = pc.replace_substring_regex(bare, rf"[^0-9{re.escape(self.decimal)}]", "")
        if self.decimal != decimal:
            digits = pc.replace_substring(digits, self.decimal, decimal)
        signed = pc.binary_join_element_wise(pc.if_else(negative, "-", ""), digits, "")
        return pc.if_else(numbers, signed, texts)


def _pattern(thousands: str, decimal: str) -> str:
    mark = BLANKS if thousands == " " else "['’]" if thousands == "'" else re.escape(thousands)
    grouped = rf"[1-9][0-9]{{0,2}}(?:{mark}[0-9]{{3}})+|" if thousands else ""
    if thousands == ",":
        grouped += rf"[1-9][0-9]?(?:{mark}[0-9]{{2}})+{mark}[0-9]{{3}}|"  # lakhs and crores
    point = re.escape(decimal)
    body = rf"(?:(?:{grouped}[0-9]+)(?:{point}[0-9]*)?|{point}[0-9]+)"
    no_cents = rf"(?:{grouped}[0-9]+){point}{GAP}[-–—−]+"
    core = rf"(?:{UNIT}{GAP})?(?:{body}|{no_cents})(?:{GAP}{UNIT})?"
    behind = rf"(?:{UNIT}{GAP})?{body}(?:{GAP}{UNIT})?{GAP}-"
    signed = rf"[+\-−]?{GAP}{core}|{UNIT}{GAP}[+\-−]{GAP}(?:{body}|{no_cents})|{behind}"
    return rf"^{GAP}(?:{signed}|\({GAP}{core}{GAP}\)|{UNIT}{GAP}\({GAP}{body}{GAP}\)){GAP}$"

"""In which form the numbers of a column of text are written: what speaks for each form, in all its values, and which of them is meant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from trainwright.config.places import spell_key
from trainwright.data import wording
from trainwright.data.number_forms import BLANKS, PERCENT, TYPESET, WORDS, NumberForm

FORMS = [
    NumberForm(*each)
    for each in (("", "."), (",", "."), ("", ","), (".", ","), (" ", "."), (" ", ","), ("'", "."), ("'", ","))
]  # fmt: skip
"""Those that are tried; of two that fit alike the first is meant, if either is."""
PLAIN, COMMAS, DECIMAL_COMMA, POINTS = FORMS[:4]

HEAD = 500
"""Values looked at before a whole column is."""
UNITS = 50
"""More different units are none."""

EVIDENCE = {
    "written": r"[^0-9.eE+\-\s]|[0-9]\s+[0-9]|-\s*$|\..*\.|^\s*-\s+",
    "point": r"\.",
    "zeros": r"^[^0-9]*0[0-9]",
    "long": r"^[^0-9]*[1-9][0-9]{3,}",
    "bare": r"^[^0-9]*[0-9]{1,3}[^0-9.,]*$",
    "brackets": r"\(",
    "minus behind": r"[^.,\s]\s*-$",
    "none behind": r"[.,]\s*[-–—−]+$|[^-]$",
    "open": r"^[^()]*[0-9][^()]*$",
    "two commas": r",.*,",
    "three points": r"^[^.]*\.[^.]*\.[^.]*\.[^.]*$",
    "fewer points": r"^[^.]*(?:\.[^.]*){0,2}$",
    "typeset": rf"[0-9][{TYPESET}][0-9]|['’]",
    "fraction": r"[.,][0-9]{1,2}[^0-9]*$|[.,][0-9]{4,}",
    "percent": PERCENT,
    "no percent": r"^[^%]*[1-9][^%]*$",
}
"""What is looked for in the values, as patterns of RE2."""


@dataclass
class NumberFacts:
    """What is known of the values of a column of text, piece by piece."""

    present: int = 0
    fits: list[int] = field(default_factory=lambda: [0] * len(FORMS))
    seen: set[str] = field(default_factory=set)
    """Which of the `EVIDENCE` there is."""
    units: set[str] = field(default_factory=set)
    blanks: set[int] = field(default_factory=set)
    """How many groups values have between which blanks stand, as far as they differ."""
    values: list[str] = field(default_factory=list)
    """The first different ones."""
    example: str = ""
    """The first value that is written otherwise than a plain number."""

    def add(self, texts: pa.Array) -> None:
        """Takes the next values into account."""
        texts = pc.drop_null(pc.utf8_trim_whitespace(texts))
        texts = texts.filter(pc.not_equal(texts, ""))
        if not len(texts):
            return
        self.present += len(texts)
        self.fits = [before + (pc.sum(form.matches(texts)).as_py() or 0) for before, form in zip(self.fits, FORMS, strict=True)]
        self.seen |= {name for name, pattern in EVIDENCE.items() if name not in self.seen and _any(texts, pattern)}
        if len(self.units) <= UNITS:
            units = pc.replace_substring_regex(texts, rf"[0-9.,'’()+\-−–—\s{TYPESET}]", "")
            self.units |= {each for each in units.unique().to_pylist() if each}
        self.blanks |= set(pc.count_substring_regex(texts, BLANKS).unique().to_pylist())
        if len(self.values) < HEAD:
            self.values = list(dict.fromkeys([*self.values, *texts.unique().slice(0, HEAD).to_pylist()]))[:HEAD]
        for pattern in (EVIDENCE["written"], EVIDENCE["point"]) if not self.example else ():
            other = texts.filter(pc.match_substring_regex(texts, pattern))
            self.example = self.example or (other[0].as_py() if len(other) else "")

    @property
    def currencies(self) -> set[str]:
        """The units beside percent."""
        return {each for each in self.units if each not in (PERCENT, "‰")}

    def fitting(self, form: NumberForm) -> int:
        """How many values are numbers of a form."""
        return self.fits[FORMS.index(form)]

    def forms_with(self, decimal: str, thousands: str) -> list[NumberForm]:
        """The forms with a decimal mark (empty: either) and a word for what stands between thousands (`auto`: anything)."""
        fit = [form for form in FORMS if decimal in ("", form.decimal)]
        return [form for form in fit if thousands in ("auto", WORDS[form.thousands])]

    def candidates(self, decimal: str) -> list[NumberForm]:
        """The forms that fit most values, and at least nine in ten; `decimal` is the mark of the file, where it is known."""
        fits = {form: count for form, count in zip(FORMS, self.fits, strict=True) if decimal in ("", form.decimal)}
        most = max(fits.values(), default=0)
        enough = most and most >= wording.MOSTLY * self.present
        return [form for form, count in fits.items() if count == most] if enough else []


@dataclass(frozen=True)
class Found:
    """The form of a column's numbers, or None, and what is to be said of it."""

    form: NumberForm | None = None
    how: str = ""
    """How its numbers are read, as the end of a reason."""
    offer: str = ""
    """The lines that read it as numbers, where that is not certain."""


def find_form(name: str, facts: NumberFacts, decimal: str, insisted: bool) -> Found:
    """The form that the values of a column speak for.

    Args:
        name: of the column, for the lines that are offered.
        facts: of all its values.
        decimal: the decimal mark of the file where it is known, else empty.
        insisted: whether a person said that the column holds numbers, so that the likeliest reading is taken.
    """
    fitting = facts.candidates(decimal)
    written = "written" in facts.seen or (decimal == "," and "point" in facts.seen)
    if not fitting or not written or (len(facts.values) <= 2 and not insisted):
        return Found()
    form = fitting[0]
    doubt = doubt_of(name, facts, form, fitting)
    if doubt and not insisted:
        return Found(offer=doubt)
    if len(facts.currencies) > 1 or ("zeros" in facts.seen and not insisted):
        return Found()
    return Found(form, describe(name, facts, form, fitting))


def doubt_of(name: str, facts: NumberFacts, form: NumberForm, fitting: list[NumberForm]) -> str:
    """What could also be meant, with the lines that decide; empty where nothing else could be."""
    shown, column = facts.example, spell_key(("columns", name))
    if len(facts.currencies) > 1:
        units = ", ".join(sorted(facts.currencies)[:4])
        return f"its numbers are in several units ({units}), and stay text; data.derive makes one unit of them"
    if "percent" in facts.seen and "no percent" in facts.seen:
        return f"some of its numbers have a % and others none; {column}=number reads 12 % as 12 beside them"
    if form == COMMAS and DECIMAL_COMMA in fitting and "long" in facts.seen:
        return f"{shown!r} may have thousands or a decimal comma; {column}.thousands=comma or {column}.decimal=comma says which"
    if form == PLAIN and POINTS in fitting and "point" in facts.seen and facts.currencies:
        return f"{shown!r} may have thousands or three decimals; {column}.thousands=point or {column}.decimal=point says which"
    if form.thousands == " " and not facts.seen & {"typeset", "fraction"} and len(facts.blanks) == 1 and not facts.units:
        return f"{shown!r} may be one number or several; {column}.thousands=blank reads one"
    if form == DECIMAL_COMMA and wording.label_delimiter(facts.values) == ",":
        return f"{shown!r} may be a number or two labels; {column}.decimal=comma reads numbers"
    if form.thousands == "." and "three points" in facts.seen and "fewer points" not in facts.seen:
        return f"{shown!r} may be a number or an address; {column}.thousands=point reads numbers"
    if "brackets" in facts.seen and "open" not in facts.seen and not facts.units and "two commas" not in facts.seen:
        return f"{shown!r} may be a negative number or a label; {column}=number reads numbers"
    if "minus behind" in facts.seen and "none behind" not in facts.seen:
        return f"{shown!r} may be a negative number or one without cents; {column}=number reads negative ones"
    return ""


def describe(name: str, facts: NumberFacts, form: NumberForm, fitting: list[NumberForm]) -> str:
    """How a value is read: `'1,234' is 1234`, with the line that reads it otherwise where that could be meant."""
    plain = form.plain(pa.array([facts.example]))[0].as_py()
    told = f"{facts.example!r} is {plain}"
    if form == COMMAS and DECIMAL_COMMA in fitting and "bare" not in facts.seen:
        told += f"; {spell_key(('columns', name))}.decimal=comma reads a decimal comma"
    return told


def offer_for(name: str, texts: Sequence[str]) -> str:
    """The line that reads texts as the numbers that they are, for those which a column of numbers refused; empty for other texts."""
    values = pa.array(list(texts), pa.string())
    for form in FORMS[1:]:
        if texts and pc.all(form.matches(values)).as_py():
            return f"{spell_key(('columns', name))}.{'thousands=' + WORDS[form.thousands] if form.thousands else 'decimal=comma'}"
    return ""


def could_be_written(texts: Any) -> bool:
    """Whether the first values of a column are numbers in one of the forms, by a look at some hundred different ones."""
    facts = NumberFacts()
    facts.add(pc.drop_null(texts).unique().slice(0, HEAD))
    return "zeros" not in facts.seen and any(facts.candidates(decimal) for decimal in ("", ","))


def _any(texts: pa.Array, pattern: str) -> bool:
    return bool(pc.any(pc.match_substring_regex(texts, pattern)).as_py())

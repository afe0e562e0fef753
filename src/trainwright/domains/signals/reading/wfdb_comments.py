"""What the comments of a WFDB header say of the person: age, sex and diagnoses, as PhysioNet's data sets write them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

PAIR = re.compile(r"([A-Za-z][\w ]{0,30}?)\s*:\s*(.*)$")
MIT_BIH = re.compile(r"(-?\d+)\s+([MF])\b")
"""The first comment of records of the MIT-BIH database: age, sex, recorder numbers."""
SEXES = {"male": "male", "m": "male", "female": "female", "f": "female"}


class Person(NamedTuple):
    """Age in years, `female` or `male`, and codes of diagnoses."""

    age: float | None
    sex: str | None
    codes: tuple[str, ...]


def read_comments(comments: Sequence[str]) -> Person:
    """Age, sex and codes; `Age: NaN` and `Sex: Unknown` count as not given."""
    pairs = {found[1].lower(): found[2].strip() for each in reversed(comments) if (found := PAIR.match(each))}
    codes = tuple(
        dict.fromkeys(each.strip() for each in pairs.get("dx", "").split(",") if each.strip() and each.strip().lower() != "unknown")
    )
    age, sex = _age(pairs.get("age", "")), SEXES.get(pairs.get("sex", "").lower())
    mit = next((found for each in comments[:1] if (found := MIT_BIH.match(each))), None)
    if mit is not None and "age" not in pairs:
        age, sex = _age(mit[1]), sex or SEXES[mit[2].lower()]
    return Person(age, sex, codes)


def _age(text: str) -> float | None:
    found = re.match(r"\d+(?:\.\d+)?", text)
    return float(found[0]) if found else None

"""What a column of text holds, judged by its first different values: numbers, dates, lists of numbers, label sets, codes or language."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime

NUMBER = re.compile(r"\s*[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?\s*", re.ASCII)
MOSTLY = 0.9
"""The share of numbers from which a column of text is taken for one of numbers."""

MONTH = r"(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*"
CLOCK = r"([T ]\d{1,2}:\d{2}(:\d{2}([.,]\d+)?)?\s*([AaPp][Mm])?\s*(Z|[+-]\d{2}:?\d{2})?)?"
DATES = [
    re.compile(rf"(1[5-9]|20|21)\d\d([-/.])(0?[1-9]|1[0-2])\2(0?[1-9]|[12]\d|3[01]){CLOCK}"),
    re.compile(rf"(0?[1-9]|[12]\d|3[01])([-/.])(0?[1-9]|[12]\d|3[01])\2((1[5-9]|20|21)?\d\d){CLOCK}"),
    re.compile(rf"((mon|tue|wed|thu|fri|sat|sun)[a-z]*,? )?\d{{1,2}}[ -]{MONTH}[ -](\d\d)?\d\d{CLOCK}", re.IGNORECASE),
    re.compile(rf"{MONTH} \d{{1,2}},? \d{{4}}{CLOCK}", re.IGNORECASE),
]
MONTHS = [
    re.compile(r"(1[5-9]|20|21)\d\d[-/](0?[1-9]|1[0-2])"),
    re.compile(r"(0?[1-9]|1[0-2])[-/](1[5-9]|20|21)\d\d"),
    re.compile(r"(0[1-9]|1[0-2])\.(19|20)\d\d"),
    re.compile(rf"{MONTH}[ -](1[5-9]|20|21)\d\d", re.IGNORECASE),
]
"""A month and its year, with no day."""
NUMBERS = re.compile(
    r"\s*[\[({]?\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?(([\s,;|]+)[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?){2,}\s*[\])}]?\s*"
)
"""Three numbers at least, with blanks, commas, semicolons or bars between them, perhaps in brackets."""

FEWEST_DATES = 6
"""Fewer different whole numbers may be dates by chance."""

LABEL_DELIMITERS = ("|", ";", ",")


def share(values: Sequence[str], holds: Callable[[str], object]) -> float:
    """The share of `values` for which `holds` is true; 0 for none."""
    return sum(bool(holds(value)) for value in values) / len(values) if values else 0.0


def date_share(values: Sequence[str]) -> float:
    """The share that reads as a date, with or without a time of day."""
    return share(values, lambda value: any(pattern.fullmatch(value.strip()) for pattern in DATES))


def month_share(values: Sequence[str]) -> float:
    """The share that reads as a month of a year, without a day."""
    return share(values, lambda value: any(pattern.fullmatch(value.strip()) for pattern in MONTHS))


def whole_dates(values: Sequence[int | float]) -> str:
    """The pattern by which whole numbers are dates (`20240131`) or months (`202401`), several of them; empty where they are none."""
    texts = [str(int(value)) if math.isfinite(value) else "" for value in values]
    for length, pattern in ((8, "%Y%m%d"), (6, "%Y%m")):
        if len(texts) >= FEWEST_DATES and all(len(text) == length and "1900" <= text[:4] <= "2100" for text in texts):
            return pattern if all(_is_date(text, pattern) for text in texts) else ""
    return ""


def _is_date(text: str, pattern: str) -> bool:
    try:
        datetime.strptime(text, pattern)
    except ValueError:
        return False
    return True


def number_list_lengths(values: Sequence[str]) -> list[int] | None:
    """How many numbers each value holds, when nearly all are lists of three or more; else None."""
    if share(values, NUMBERS.fullmatch) < 0.95 or date_share(values) > 0.5:
        return None
    return [len(re.findall(r"[^\s,;|\[\](){}]+", value)) for value in values]


def label_delimiter(values: Sequence[str]) -> str:
    """The delimiter of label sets: the same short labels come again in different combinations. Empty when the values are no sets."""
    for delimiter in LABEL_DELIMITERS:
        several = [value for value in values if delimiter in value]
        if len(several) < 0.3 * len(values) or len(values) < 4:
            continue
        split = [[label.strip(" []{}()'\"") for label in value.split(delimiter)] for value in values]
        counts = Counter(label for labels in split for label in labels)
        labels = [label for each in split for label in each]
        short = max(len(label.split()) for label in counts) <= 3
        if short and len(counts) <= 0.5 * len(labels) and len(counts) < 1.5 * len(values):
            return delimiter
    return ""


def labels_of(values: Sequence[str] | Sequence[list[str]]) -> list[str]:
    """The different labels of label sets: lists, or text with a delimiter."""
    texts = [value for value in values if isinstance(value, str)]
    delimiter = label_delimiter(texts) or next((each for each in (*LABEL_DELIMITERS, "\t") if any(each in text for text in texts)), " ")
    lists = [value.split(delimiter) if isinstance(value, str) else value for value in values]
    return list(dict.fromkeys(label for labels in lists for label in labels if label is not None))


def repeats_labels(values: Sequence[str], delimiter: str) -> bool:
    """Whether a label often comes twice in one value, as in a sequence."""
    return share(values, lambda value: len(set(value.split(delimiter))) < len(value.split(delimiter))) > 0.2


def mean_words(values: Sequence[str]) -> float:
    """Mean number of words."""
    return sum(len(value.split()) for value in values) / max(len(values), 1)


def is_language(values: Sequence[str]) -> bool:
    """Whether values are phrases or sentences: four words or more on average, mostly letters."""
    if mean_words(values) < 4:
        return False
    characters = Counter("".join(values))  # few are different, so that each is asked once what it is
    letters = sum(count for character, count in characters.items() if character.isalpha() or character.isspace())
    return letters >= 0.6 * characters.total()

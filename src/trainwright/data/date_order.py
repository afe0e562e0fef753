"""Whether dates such as 05/03/2020 are written day first or month first: what the values say, and what has to be assumed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Self

import pyarrow as pa
import pyarrow.compute as pc

Order = Literal["", "day_first", "month_first"]
"""Empty where no date is written in this way."""

ASSUMED: Order = "month_first"
"""Where every date could be read both ways."""

TWO_NUMBERS = r"^\s*(?P<first>[0-9]{1,2})[-/](?P<second>[0-9]{1,2})[-/](?:[0-9]{4}|[0-9]{2})(?:[^0-9].*)?$"

MONTHS = ("%Y-%m", "%Y/%m", "%m/%Y", "%m-%Y", "%m.%Y", "%B %Y", "%B-%Y")
"""How months without a day are written, wherever they are read."""


@dataclass
class OrderVotes:
    """How many dates can only be read day first, only month first, and both ways."""

    day_first: int = 0
    month_first: int = 0
    either: int = 0

    @classmethod
    def of(cls, texts: pa.Array | pa.ChunkedArray) -> Self:
        """The votes of dates written with two numbers before the year; other texts have none."""
        numbers = pc.extract_regex(texts, TWO_NUMBERS)
        first, second = (pc.cast(pc.struct_field(numbers, name), pa.int8()) for name in ("first", "second"))
        return cls(
            _count(pc.and_(pc.greater(first, 12), pc.less_equal(second, 12))),
            _count(pc.and_(pc.less_equal(first, 12), pc.greater(second, 12))),
            _count(pc.and_(pc.less_equal(first, 12), pc.less_equal(second, 12))),
        )

    def add(self, other: OrderVotes) -> None:
        """Adds the votes of further values."""
        self.day_first += other.day_first
        self.month_first += other.month_first
        self.either += other.either

    @property
    def order(self) -> Order:
        """What most of the values that decide say; what is assumed where none decides."""
        if not self.day_first + self.month_first:
            return ASSUMED if self.either else ""
        return "day_first" if self.day_first > self.month_first else "month_first"

    @property
    def deciding(self) -> int:
        """How many values can be read in the order only."""
        return self.day_first if self.order == "day_first" else self.month_first

    def opposed_to(self, order: Order) -> int:
        """How many values can be read in the other order only."""
        return self.month_first if order == "day_first" else self.day_first


def has_order(texts: pa.Array) -> pa.Array:
    """Which texts are dates with two numbers before the year, so that an order reads them, if one does."""
    return pc.fill_null(pc.match_substring_regex(texts, TWO_NUMBERS), False)


def order_of_pattern(pattern: str) -> Order:
    """Which order a strptime pattern reads, where it has two numbers with a slash or a hyphen before the year."""
    if pattern.startswith(("%d/%m", "%d-%m")):
        return "day_first"
    return "month_first" if pattern.startswith(("%m/%d", "%m-%d")) else ""


def order_in_words(order: Order) -> str:
    """`day first (05/03/2020 is 5 March)`."""
    return "day first (05/03/2020 is 5 March)" if order == "day_first" else "month first (05/03/2020 is May 3)"


def _count(found: pa.Array) -> int:
    return int(pc.sum(found).as_py() or 0)

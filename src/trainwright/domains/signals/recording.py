"""How the recordings of a column are read: the channels and the rate that were asked for, whole or a piece. Imports no torch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from typing import Literal

import numpy as np

from trainwright.domains.signals.reading import Facts, probe, read
from trainwright.domains.signals.reading.rates import resampled_window
from trainwright.domains.signals.reading.reference import split_reference
from trainwright.domains.signals.reading.repair import fill_invalid
from trainwright.features.npy import Unreadable


@dataclass(frozen=True)
class Reader:
    """Reads recordings as a column wants them: float32 `(channels, time)` at one rate."""

    rate: float | None = None
    """Samples a second of what is given; None: as the file has it."""
    leads: tuple[str, ...] | None = None
    absent: Literal["error", "zeros"] = "error"
    channel: str | int = "all"
    before: float = 0.0
    after: float = 0.0
    file_rate: float | None = None
    resamples: bool = True
    repairs: bool = False

    def read(self, path: str) -> np.ndarray:
        """The whole recording, or the piece that its reference names. Raises Unreadable."""
        return self.read_piece(path, 0, None)[0]

    def read_shape(self, path: str) -> tuple[int, ...]:
        """(channels, time) of what `read` gives, from the head of the file. Raises Unreadable."""
        facts = self.probe(path)
        return (self.count_channels(facts), self.length(path, facts))

    def probe(self, path: str) -> Facts:
        """What the head of a file says. Raises Unreadable, also where it says no rate."""
        facts = probe(path, rate=self.file_rate, repair=self.repairs)
        known_rate(facts)
        return facts

    def read_piece(self, path: str, first: int, count: int | None) -> tuple[np.ndarray, tuple[int, ...]]:
        """Samples `first` to `first + count` of what `read` gives, as far as there are any, and the whole's shape. Raises Unreadable."""
        facts = self.probe(path)
        length = self.length(path, facts)
        stop = length if count is None else min(first + count, length)
        values = self._read_at_rate(path, facts, self.span(path, facts), first, max(stop, first))
        values = self._channels(values, facts)
        return self._checked(values, facts), (len(values), length)

    def count_channels(self, facts: Facts) -> int:
        """How many channels `read` gives. Raises Unreadable for those that are not there."""
        self._named(facts)
        if self.leads is not None:
            return len(self.leads)
        return len(facts.channels) if self.channel == "all" else 1

    def length(self, path: str, facts: Facts) -> int:
        """Samples of what `read` gives."""
        start, end = self.span(path, facts)
        return math.ceil((end - start) * self._ratio(facts))

    def span(self, path: str, facts: Facts) -> tuple[int, int]:
        """First and last + 1 sample that is read, which may lie beyond the ends of the recording round a moment. Raises Unreadable."""
        at = split_reference(path).at
        if at is None:
            if not facts.length:
                raise Unreadable("it is empty")
            return 0, facts.length
        if not self.before + self.after:
            raise Unreadable("its reference names a moment (`#at=`), and `around` does not say how much before and after it is read")
        start = at - round(self.before * known_rate(facts))
        return start, start + round((self.before + self.after) * known_rate(facts))

    def _ratio(self, facts: Facts) -> Fraction:
        """Samples given for each that is read. Raises Unreadable."""
        if self.rate is None or self.rate == facts.rate:
            return Fraction(1)
        if not self.resamples:
            raise Unreadable(f"it has {facts.rate:g} samples a second, not {self.rate:g}, and other_rates is error")
        return Fraction(self.rate).limit_denominator(1000) / Fraction(known_rate(facts)).limit_denominator(1000)

    def _read_at_rate(self, path: str, facts: Facts, span: tuple[int, int], first: int, stop: int) -> np.ndarray:
        """Samples `first` to `stop`, counted at the rate that is given, of the piece of the file that `span` says."""
        ratio, (start, end) = self._ratio(facts), span
        if ratio == 1:
            return self._read(path, facts, start + first, min(start + stop, end))
        pieces: dict[tuple[int, int], np.ndarray] = {}

        def read_own(channel: int, begin: int, stop: int) -> np.ndarray:
            if (begin, stop) not in pieces:
                pieces[begin, stop] = self._read(path, facts, start + begin, start + stop)
            return pieces[begin, stop][channel]

        up, down, count = ratio.numerator, ratio.denominator, len(self._named(facts) or facts.channels)
        found = [resampled_window(partial(read_own, each), end - start, first, stop, up, down) for each in range(count)]
        return np.stack(found)

    def _read(self, path: str, facts: Facts, start: int, stop: int) -> np.ndarray:
        """Samples of the file, zeros beyond its ends."""
        low, high = max(start, 0), min(stop, facts.length)
        piece = read(path, low, max(high, low), leads=self._named(facts), rate=self.file_rate, repair=self.repairs)
        if self.repairs and piece.values.size and not np.isfinite(piece.values).any():
            raise Unreadable("no sample of any lead is valid")
        values = fill_invalid(piece.values) if self.repairs else piece.values
        before, after = min(low - start, stop - start), max(stop - max(high, low), 0)
        return np.pad(values, ((0, 0), (before, after))) if before or after else values

    def _named(self, facts: Facts) -> list[str] | None:
        """The channels of the file that are read, by the names it has. Raises Unreadable."""
        if self.leads is None:
            if isinstance(self.channel, int) and self.channel >= len(facts.channels):
                raise Unreadable(f"it has {len(facts.channels)} channels, and number {self.channel} is asked for")
            if self.channel == "error" and len(facts.channels) > 1:
                raise Unreadable(f"it has {len(facts.channels)} channels, and channel is error: mix them, or take one by its number")
            return None
        there = {name.casefold(): name for name in reversed(facts.channels)}
        lacking = [name for name in self.leads if name.casefold() not in there]
        if lacking and self.absent == "error":
            raise Unreadable(f"it has no lead {', '.join(lacking)}; it has {', '.join(facts.channels)}")
        found = [there[name.casefold()] for name in self.leads if name.casefold() in there]
        if not found:
            raise Unreadable(f"it has none of the leads {', '.join(self.leads)}; it has {', '.join(facts.channels)}")
        return found

    def _channels(self, values: np.ndarray, facts: Facts) -> np.ndarray:
        if self.leads is None:
            if self.channel in ("all", "error"):
                return values
            return values[self.channel : self.channel + 1] if isinstance(self.channel, int) else values.mean(axis=0, keepdims=True)
        found = self._named(facts) or []
        if len(found) == len(self.leads):
            return values
        there = {name.casefold(): place for place, name in enumerate(found)}
        filled = np.zeros((len(self.leads), values.shape[1]), np.float32)
        for place, name in enumerate(self.leads):
            if name.casefold() in there:
                filled[place] = values[there[name.casefold()]]
        return filled

    def _checked(self, values: np.ndarray, facts: Facts) -> np.ndarray:
        """The values as a contiguous array that may be written to. Raises Unreadable for values that are no numbers."""
        bad = ~np.isfinite(values)
        if bad.any():
            there = facts.channels if len(values) == len(facts.channels) else [f"channel {each}" for each in range(len(values))]
            names = self.leads or there
            counts = [f"{names[place]} ({int(each.sum()):,})" for place, each in enumerate(bad) if each.any()]
            raise Unreadable(f"values that are no numbers in {', '.join(counts)}; repair fills them in")
        return np.ascontiguousarray(values, np.float32) if values.flags.writeable else values.astype(np.float32)


def known_rate(facts: Facts) -> float:
    """Samples a second of a recording whose head says it. Raises Unreadable."""
    if facts.rate is None:
        raise Unreadable("it does not say how many samples there are a second; file_rate says it")
    return facts.rate


def most_frequent(values: Sequence[float]) -> float:
    """The value that occurs most, the larger of several."""
    counted = {value: values.count(value) for value in set(values)}
    return max(counted, key=lambda value: (counted[value], value))

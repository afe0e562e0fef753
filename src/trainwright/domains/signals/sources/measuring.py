"""Recordings measured one after the other; as a program, those that standard input names."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence

import numpy as np

from trainwright.config.errors import RequestError
from trainwright.domains.signals.physiology.measures import as_recorded, measure, numbers_of
from trainwright.domains.signals.reading import Unreadable, read

FASTEST = 1000.0
"""A rate that every measure can do with."""


def measure_each(references: Sequence[str], measures: Sequence[str], repair: bool) -> Iterator[tuple[dict[str, float], str, list[str]]]:
    """For each recording its numbers by name, what could not be measured and why, and the names of all numbers."""
    names = list(measure(np.empty((1, 0)), FASTEST, None, measures))
    for each in references:
        found, faults = _measure(each, measures, repair)
        yield found, "; ".join(faults), names


def _measure(reference: str, measures: Sequence[str], repair: bool) -> tuple[dict[str, float], list[str]]:
    try:
        piece = read(reference, repair=repair)
    except Unreadable as error:
        return {}, [f"it cannot be read: {error}"]
    if piece.rate is None:
        return {}, ["the file gives no sampling rate"]
    recorded, found, faults = as_recorded(piece.values, piece.rate, piece.channels), dict[str, float](), list[str]()
    for each in measures:
        try:
            found |= numbers_of(recorded, each)
        except RequestError as error:
            faults.append(f"{each}: {error.what}")
    return found, faults


def main() -> None:
    """Read what is asked from standard input, and write what was found."""
    asked = json.load(sys.stdin)
    json.dump(list(measure_each(asked["references"], asked["measures"], asked["repair"])), sys.stdout)


if __name__ == "__main__":
    main()

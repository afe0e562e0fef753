"""Recordings measured one after the other; as a program, those that standard input names."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence

import numpy as np

from trainwright.config.errors import RequestError
from trainwright.domains.signals.physiology.measures import measure
from trainwright.domains.signals.reading import Unreadable, read


def measure_each(references: Sequence[str], measures: Sequence[str], repair: bool) -> Iterator[tuple[dict[str, float], str, list[str]]]:
    """For each recording its numbers by name, why there are none, and the names that there would be."""
    names = list(measure(np.empty((1, 0)), 100.0, None, measures))
    for each in references:
        found, fault = _measure(each, measures, repair)
        yield found, fault, names


def _measure(reference: str, measures: Sequence[str], repair: bool) -> tuple[dict[str, float], str]:
    try:
        piece = read(reference, repair=repair)
        if piece.rate is None:
            return {}, "the file gives no sampling rate"
        return measure(piece.values, piece.rate, piece.channels, measures), ""
    except Unreadable as error:
        return {}, f"it cannot be read: {error}"
    except RequestError as error:
        return {}, error.what


def main() -> None:
    """Read what is asked from standard input, and write what was found."""
    asked = json.load(sys.stdin)
    json.dump(list(measure_each(asked["references"], asked["measures"], asked["repair"])), sys.stdout)


if __name__ == "__main__":
    main()

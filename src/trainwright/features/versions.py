"""Versions of the state of fitted columns: each says what it needs that earlier releases would leave undone."""

from __future__ import annotations

from typing import Any

PLAIN = 1
SELECTING = 2
"""Rows are selected or columns derived."""
CUTTING = 3
"""Rows are cut into windows."""
WRITTEN = 4
"""Numbers are read from the form they are written in."""
FORMATS = (PLAIN, SELECTING, CUTTING, WRITTEN)


def format_of(encoder: Any) -> int:
    """The oldest version that can do what the columns of an encoder need."""
    if encoder.reading and encoder.reading.numbers:
        return WRITTEN
    return CUTTING if encoder.window else SELECTING if encoder.selection else PLAIN

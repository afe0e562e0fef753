"""Encoders of recordings: from `(b, columns, channels, time)` to tokens. This table imports no torch."""

from __future__ import annotations

from trainwright.config.part import Part

PARTS: dict[str, Part] = {}

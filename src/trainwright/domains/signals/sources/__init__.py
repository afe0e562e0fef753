"""Where recordings come from: folders, lists and tables as they lie. This table imports no torch."""

from __future__ import annotations

from trainwright.config.part import Part

PARTS: dict[str, Part] = {}

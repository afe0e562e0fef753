"""What is trained: modules, losses, metrics, and what a step means. This table imports no torch."""

from __future__ import annotations

from trainwright.config.registry import Part

PARTS: dict[str, Part] = {}

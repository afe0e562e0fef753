"""What is trained: modules, losses, metrics, and what a step means. This table imports no torch."""

from __future__ import annotations

from trainwright.config.registry import Part
from trainwright.systems.plain_options import PlainOptions

PARTS: dict[str, Part] = {
    "plain": Part("trainwright.systems.plain:PlainSystem", PlainOptions, "one model, a loss or several, and metrics"),
}

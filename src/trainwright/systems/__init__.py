"""What is trained: modules, losses, metrics, and what a step means. The table `PARTS` imports no torch."""

from __future__ import annotations

from trainwright.config.registry import Part
from trainwright.systems.config import SupervisedOptions

_HERE = "trainwright.systems"

PARTS: dict[str, Part] = {
    "supervised": Part(f"{_HERE}.supervised:SupervisedSystem", SupervisedOptions, "columns predicted from columns"),
    "plain": Part(f"{_HERE}.plain:PlainSystem", f"{_HERE}.plain_options:PlainOptions", "one model, a loss or several, and metrics"),
    "given": Part(f"{_HERE}.given:refuse_given", f"{_HERE}.given:GivenOptions", "an object that was given to `tw.fit`"),
}
"""Registry name → system; a table's run pays nothing for the options of the others."""

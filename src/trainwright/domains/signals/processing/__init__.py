"""What is done to recordings `(… channels, time)`: filters, rates, spectra, augmentations. This table imports no torch."""

from __future__ import annotations

from trainwright.config.part import Part

PARTS: dict[str, Part] = {}

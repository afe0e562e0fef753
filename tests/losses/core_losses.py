"""The losses of the core: those of a domain are tested with it."""

from __future__ import annotations

from trainwright.losses import PARTS as ALL

PARTS = {name: part for name, part in ALL.items() if part.path.startswith("trainwright.losses.")}

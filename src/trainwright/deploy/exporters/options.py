"""Options of exporters; they import no torch."""

from __future__ import annotations

from trainwright.config.model import PartConfig


class Pt2Options(PartConfig):
    """A program of torch.export."""

    type: str = "pt2"

"""Signals and sound: recordings of the body and of what can be heard, each a column of a table."""

from __future__ import annotations

from trainwright.config.domain import Domain
from trainwright.domains.signals.models import PARTS as ENCODERS
from trainwright.domains.signals.processing import PARTS as TRANSFORMS
from trainwright.domains.signals.sources import PARTS as SOURCES

DOMAIN = Domain(
    "signals",
    "Recordings of the body (ECG and others) and sounds, each a column of a table.",
    parts={"source": SOURCES, "transform": TRANSFORMS, "encoder": ENCODERS},
)

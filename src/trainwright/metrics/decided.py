"""Metrics of sets of labels that were decided at thresholds, by their keys. Imports neither numpy nor torch."""

from __future__ import annotations

from trainwright.config.errors import ConfigError
from trainwright.metrics import PARTS, from_label
from trainwright.metrics.table import SET, MetricPart


def find_decided(name: str) -> MetricPart | None:
    """The part behind the key of such a metric (`f1_samples`, `challenge_score`); None for every other name."""
    try:
        part = PARTS.get(from_label(name).type)
    except (ConfigError, ValueError):
        return None
    return part if part is not None and part.decided and SET in part.kinds else None


def list_decided() -> list[str]:
    """Their names, with the averages of F1 in which labels interact."""
    return [*(name for name, part in PARTS.items() if part.decided), "f1_samples", "f1_micro"]

"""Which way a metric is better, as far as its name says."""

from __future__ import annotations


def higher_is_better(name: str) -> bool | None:
    """Which way a metric is better, from its name and the table of metrics; None when it is not known."""
    from trainwright.metrics import PARTS

    last = name.rsplit(".", 1)[-1].rsplit("/", 1)[-1]
    if last == "loss":
        return False
    for part in sorted(PARTS, key=len, reverse=True):
        if last == part or last.startswith(f"{part}_"):
            return PARTS[part].higher_is_better
    return None

"""What is trained: modules, losses, metrics, and what a step means. The table `PARTS` imports no torch."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from trainwright.config.registry import Part

    PARTS: dict[str, Part]


def __getattr__(name: str) -> Any:
    if name == "PARTS":
        return _parts()
    raise AttributeError(f"module 'trainwright.systems' has no attribute '{name}'")


@cache
def _parts() -> dict[str, Part]:
    """The table, made when it is first asked for: a table's run, whose system is in none, pays nothing for the options of others."""
    from trainwright.config.registry import Part
    from trainwright.systems.plain_options import PlainOptions

    return {"plain": Part("trainwright.systems.plain:PlainSystem", PlainOptions, "one model, a loss or several, and metrics")}

"""`every_rank`: whether a part of a person's own works in every process of a run, or in that of rank 0 alone."""

from __future__ import annotations

from typing import Any

from trainwright.config import registry
from trainwright.config.model import PartConfig, with_options_of


class OfRanks(PartConfig):
    """What a callback or tracker of one's own has beside the arguments of its class."""

    every_rank: bool = False
    """Whether it works in every process of a run, or in that of rank 0 alone; a class may say so itself by an attribute of this name."""


def extend_options(options: type[PartConfig]) -> type[PartConfig]:
    """The options of a class of one's own with `every_rank`, unless it takes that, or anything, by itself."""
    return with_options_of(OfRanks, options)


def on_every_rank(kind: str, options: PartConfig) -> bool:
    """Whether the part that the options describe works in every process."""
    return bool(getattr(options, "every_rank", False) or getattr(registry.load(kind, options.type), "every_rank", False))


def build(kind: str, options: PartConfig, **context: Any) -> Any:
    """As `registry.build`; what is made knows whether it works in every process."""
    made = registry.build(kind, options, **context)
    if getattr(options, "every_rank", False):
        made.every_rank = True
    return made

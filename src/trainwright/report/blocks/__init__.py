"""The types of block that a report is made of, one file each: a schema, and how it is drawn."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from trainwright.config.domains import every, load_of_domain, owner
from trainwright.config.errors import ConfigError, TrainwrightError
from trainwright.files.text import plain
from trainwright.report.blocks.audio import Audio
from trainwright.report.blocks.bars import Bars
from trainwright.report.blocks.base import Block, CannotDraw, read_block
from trainwright.report.blocks.confusion import Confusion
from trainwright.report.blocks.images import Images
from trainwright.report.blocks.lines import Lines
from trainwright.report.blocks.model import Model
from trainwright.report.blocks.panels import Panels
from trainwright.report.blocks.points import Points
from trainwright.report.blocks.table import Table
from trainwright.report.blocks.text import Text
from trainwright.report.blocks.traces import Traces
from trainwright.report.blocks.wall import Wall

BLOCKS: dict[str, type[Block]] = {
    "table": Table,
    "lines": Lines,
    "points": Points,
    "bars": Bars,
    "confusion": Confusion,
    "panels": Panels,
    "images": Images,
    "wall": Wall,
    "audio": Audio,
    "traces": Traces,
    "text": Text,
    "model": Model,
}
"""Type → block."""


def read(given: Any) -> Block:
    """The block that a mapping describes. Raises CannotDraw for anything else."""
    name = given.get("type") if isinstance(given, dict) else None
    if not isinstance(name, str) or name in BLOCKS or name not in every("block_types"):
        return read_block(given, BLOCKS)
    return read_block(given, {name: _of_domain(name)})


def _of_domain(name: str) -> type[Block]:
    """A type of block that an installed domain brings. Raises CannotDraw for one that is none."""
    try:
        found = load_of_domain("block_types", name, every("block_types")[name])
    except TrainwrightError as error:
        raise CannotDraw(": ".join(filter(None, (error.what, error.why)))) from error
    if not (isinstance(found, type) and issubclass(found, Block)):
        raise CannotDraw(f"block_types[{name!r}] of the domain '{owner('block_types', name)}' is no subclass of Block")
    return found


def check(blocks: Iterable[Any], where: str) -> list[dict[str, Any]]:
    """The blocks as JSON holds them, NaN as null. Raises ConfigError for the first that is none."""
    found = plain(list(blocks))
    for index, each in enumerate(found):
        try:
            read(each)
        except CannotDraw as error:
            kind = f" ({each['type']})" if isinstance(each, dict) and each.get("type") in BLOCKS else ""
            fix = "see 'What the report is made of' in docs/report.md"
            raise ConfigError(f"block {index + 1}{kind} of a report cannot be drawn", where=where, why=str(error), fix=fix) from None
    return found


__all__ = ["BLOCKS", "Block", "CannotDraw", "check", "read"]

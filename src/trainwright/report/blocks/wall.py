"""Many small pictures side by side, each with a few words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field

from trainwright.report.blocks.base import Block, Cell, Sheet, cell
from trainwright.report.blocks.images import TYPES
from trainwright.report.blocks.media import MediaFile, embed, link
from trainwright.report.markup import Content, Markup, note, quote, tag

MOST = 60
"""Pictures that are shown."""


class Tile(MediaFile):
    """A picture of the run, with what is said of it."""

    caption: Cell = ""
    mark: Literal["", "right", "wrong"] = ""
    """A line of colour under it."""


class Wall(Block):
    """Pictures as tiles of one width: as many in a row as there is room for, or so many."""

    tiles: Sequence[Tile]
    columns: Annotated[int, Field(ge=0, le=12)] = 0
    """Tiles in a row; 0 for as many as fit."""
    wide: bool = True

    def draw(self, sheet: Sheet) -> Content:
        """The first tiles, and how many more there are."""
        rest = note(f"{len(self.tiles) - MOST} more are not shown.") if len(self.tiles) > MOST else None
        style = f"grid-template-columns:repeat({self.columns},minmax(0,1fr))" if self.columns else None
        return [tag("div", [_tile(sheet, each) for each in self.tiles[:MOST]], class_="wall", style=style), rest]


def _tile(sheet: Sheet, each: Tile) -> Markup:
    source = embed(sheet, each.file, TYPES)
    said = cell(each.caption, limit=80) if each.caption else None
    if source is None:
        return tag("figure", tag("figcaption", link(each.file, said or quote(each.file, 80))))
    name = each.file.rpartition("/")[2]
    picture = tag("img", src=source, alt=name, loading="lazy", class_=each.mark or None)
    return tag("figure", picture, tag("figcaption", said) if said else None)

"""What all blocks of a report share: where they stand, what their cells may hold, and where they are drawn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from trainwright.report.charts.axes import figure
from trainwright.report.figures import is_number, number, percent, score, seconds, size
from trainwright.report.markup import Content, Markup, code, note, quote, tag

PAGE_BYTES = 15_000_000
"""Bytes of report.html, at most."""


class CannotDraw(ValueError):
    """What was received cannot be drawn; the message is the reason."""


class Fields(BaseModel):
    """A mapping in a block: no keys but those named, and no value of another type."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, frozen=True, use_attribute_docstrings=True)


class Piece(Fields):
    """A piece of text with a style."""

    text: str | int | float | None
    style: Literal["plain", "code", "strong", "soft", "warning", "badge", "target"] = "plain"
    limit: Annotated[int, Field(ge=1, le=400)] = 60
    """Characters after which it is cut."""


Range = Annotated[list[float], Field(min_length=2, max_length=2)]
"""The least and the largest number of an axis."""
Number = Annotated[int | float | None, Field(union_mode="left_to_right")]
Cell = str | int | float | None | Piece | list[str | int | float | Piece | None]
"""Text, a number, nothing, a piece with a style, or several of these."""
Format = Literal["text", "number", "score", "percent", "seconds", "bytes"]
FORMATS: dict[str, Callable[[Any], str]] = {
    "number": number,
    "score": score,
    "seconds": seconds,
    "bytes": size,
    "percent": lambda share: percent(share, 1),
}


def cell(value: Cell, form: Format = "text", limit: int = 60) -> Content:
    """A cell as markup, its numbers written in a format; text is escaped, and cut at `limit` characters."""
    if isinstance(value, list):
        return [cell(each, form, limit) for each in value]
    if isinstance(value, Piece):
        return _style(value, form)
    if value is None:
        return "" if form == "text" else "–"
    if value == "":
        return None
    return quote(value, limit) if isinstance(value, str) else _number(value, form)


def _number(value: int | float, form: Format) -> str:
    return FORMATS.get(form, number)(value) if is_number(value) else "–"


def _style(piece: Piece, form: Format) -> Markup:
    if piece.style == "code":
        return code(piece.text, piece.limit)
    shown = cell(piece.text, form, piece.limit)
    if piece.style == "warning":
        return tag("p", shown, class_="warn")
    if piece.style in ("badge", "target"):
        return tag("span", shown, class_=f"badge {piece.style}")
    return tag("b" if piece.style == "strong" else "span", shown, class_="soft" if piece.style == "soft" else None)


@dataclass
class Sheet:
    """The page being drawn: the run whose media it may show, and the bytes that are left."""

    run: Path
    room: int = PAGE_BYTES
    held: int = 0
    """Bytes of media in the block that is being drawn, which are not taken yet."""

    def take(self, markup: Markup) -> Markup:
        """The markup, if there is still room for it. Raises CannotDraw."""
        bytes_, self.held = len(markup.encode("utf-8", "replace")), 0
        if bytes_ > self.room:
            raise CannotDraw(f"the page would be larger than {PAGE_BYTES // 1_000_000} MB")
        self.room -= bytes_
        return markup


class Block(Fields):
    """One thing that a report shows."""

    section: str = "Analysis"
    """The heading it stands under; blocks of one heading stand together, also under those that every report has."""
    why: str = ""
    """One line under that heading; the first of a section counts."""
    group: str = ""
    """What it is about within the section, such as a target: a heading where it changes."""
    title: str = ""
    caption: Cell = ""
    """What stands beside the title."""
    note: Cell = ""
    """A remark under it."""
    wide: bool = False
    """Over the whole width, not beside others."""

    def draw(self, sheet: Sheet) -> Content:
        """What it shows, without its title. Raises CannotDraw, and OSError where a file cannot be read."""
        raise NotImplementedError

    def legend(self) -> Content:
        """What is said beside the caption."""
        return None

    def render(self, sheet: Sheet) -> Markup:
        """The block with its title and its note."""
        drawn, beside = self.draw(sheet), tag("span", cell(self.caption, limit=200), class_="soft") if self.caption else None
        below = note(cell(self.note, limit=400)) if self.note else None
        if self.wide:
            head = tag("h3", cell(self.title, limit=100), beside) if self.title or beside else None
            return Markup("".join(filter(None, [head, Markup(tag("div", drawn, below, class_="wide"))])))
        shown = self.title and tag("b", cell(self.title, limit=100))
        return figure([shown, beside, self.legend()], drawn, below)


def read_block(given: Any, kinds: dict[str, type[Block]]) -> Block:
    """The block that a mapping describes. Raises CannotDraw with what is wrong and where in it."""
    from pydantic import ValidationError

    from trainwright.config.errors import did_you_mean

    if not isinstance(given, dict):
        raise CannotDraw("a block is a mapping with a type")
    kind = kinds.get(str(given.get("type")))
    if kind is None:
        raise CannotDraw(f"there is no block of type {str(given.get('type'))[:60]!r}: {did_you_mean(str(given.get('type'))[:60], kinds)}")
    fields = {key: value for key, value in given.items() if key != "type"}
    try:
        return kind.model_validate(fields)
    except ValidationError as error:
        if any(each["type"] == "string_unicode" for each in error.errors(include_url=False)):
            return read_block({"type": given["type"], **_whole(fields)}, kinds)
        # Of a value that may be one of several types, the deepest mistake is in the type that was meant.
        first = max(error.errors(include_url=False, include_input=False), key=lambda each: len(each["loc"]))
        place = ".".join(str(each) for each in first["loc"])
        what = first["msg"].removeprefix("Value error, ")
        if first["type"] == "extra_forbidden":
            what = did_you_mean(str(first["loc"][-1]), kind.model_fields if len(first["loc"]) == 1 else ()) or "there is no such field"
        raise CannotDraw(f"{place}: {what}" if place else what) from None


def _whole(value: Any) -> Any:
    """The value with every half of a character (an undecodable byte of the data) as a question mark."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {_whole(key): _whole(each) for key, each in value.items()}
    return [_whole(each) for each in value] if isinstance(value, list) else value

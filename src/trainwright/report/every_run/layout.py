"""The shape shared by all sections: a heading in the margin, the matter beside it."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from traceback import format_exception
from typing import Any, TypeVar

from trainwright.config.received import visible
from trainwright.report.blocks import Block, CannotDraw, read
from trainwright.report.blocks.base import Sheet
from trainwright.report.markup import Content, Markup, code, join, note, tag

T = TypeVar("T")
log = logging.getLogger("trainwright.runs")


@dataclass
class ReportSection:
    """A section of the page: its anchor, heading, one line under it, and its matter: blocks, or what is drawn already."""

    anchor: str
    heading: str
    lede: Content = None
    body: list[Content | Block] = field(default_factory=list)

    def render(self, sheet: Sheet) -> Markup:
        """The section as markup: blocks side by side where they are narrow, a heading where their group changes."""
        name = f"{self.anchor}-heading"
        head = tag("header", tag("h2", self.heading, id=name), tag("p", self.lede) if self.lede else None)
        return tag("section", head, tag("div", self._matter(sheet), class_="matter"), id=self.anchor, aria_labelledby=name)

    def _matter(self, sheet: Sheet) -> list[Content]:
        drawn: list[Content] = []
        narrow: list[Content] = []
        groups = {each.group for each in self.body if isinstance(each, Block)}
        group = ""
        for each in self.body:
            made = draw_part(each, sheet)
            beside = isinstance(each, Block) and not each.wide
            begins = isinstance(each, Block) and each.group != group and len(groups) > 1
            if narrow and (begins or not beside):
                drawn, narrow = [*drawn, tag("div", narrow, class_="charts")], []
            if begins and isinstance(each, Block):
                group = each.group
                drawn.append(tag("h3", code(group, 60)) if group else None)
            (narrow if beside else drawn).append(made)
        return [*drawn, tag("div", narrow, class_="charts") if narrow else None]


def draw_part(part: Content | Block, sheet: Sheet) -> Markup:
    """A part of the page, or a remark in its place."""
    if not isinstance(part, Block):
        return guard("text", lambda: sheet.take(join(part)))
    return guard(part.title or type(part).__name__.lower(), lambda: sheet.take(part.render(sheet)))


def guard(name: str, draw: Callable[[], T]) -> T | Markup:
    """What is drawn, or a remark in its place: a file edited by hand must not cost the whole report."""
    try:
        return draw()
    except CannotDraw as error:
        log.warning("'%s' of the report cannot be drawn: %s", visible(name), visible(str(error)))
        return note(f"This part ({name}) cannot be drawn: {error}.")
    except (TypeError, ValueError, KeyError, IndexError, AttributeError, ArithmeticError, OSError, RecursionError) as error:
        log.warning("'%s' of the report cannot be drawn: %s: %s", visible(name), type(error).__name__, visible(str(error)))
        log.debug("where it arose: %s", visible("".join(format_exception(error))))
        return note(f"This part ({name}) cannot be drawn: {type(error).__name__}: {error}.")


def with_blocks(sections: list[ReportSection], blocks: Iterable[Any], before: Collection[str]) -> list[ReportSection]:
    """The sections with blocks as they were received: under their heading, new ones before the first of the sections `before`."""
    by_heading = {each.heading: each for each in sections}
    found = list(sections)
    for given in blocks:
        block = guard(_name(given), lambda given=given: read(given))  # type: ignore[misc]
        heading = (block.section if isinstance(block, Block) else _text(given, "section"))[:80] or "Analysis"
        if heading not in by_heading:
            place = next((index for index, each in enumerate(found) if each.anchor in before), len(found))
            by_heading[heading] = ReportSection(_anchor(heading, {each.anchor for each in found}), heading)
            found.insert(place, by_heading[heading])
        section = by_heading[heading]
        if isinstance(block, Block) and block.why and not section.lede:
            section.lede = block.why[:400]
        section.body.append(block)
    return found


def _name(given: Any) -> str:
    return _text(given, "title")[:60] or _text(given, "type")[:60] or "a block"


def _text(given: Any, key: str) -> str:
    found = given.get(key) if isinstance(given, dict) else ""
    return found if isinstance(found, str) else ""


def _anchor(heading: str, taken: set[str]) -> str:
    """A name for the address bar that no other section has."""
    made = re.sub(r"[^a-z0-9]+", "-", heading.lower()).strip("-") or "section"
    taken = taken | {"report", "theme"} | {f"{each}-heading" for each in taken}
    number, name = 1, made
    while name in taken or f"{name}-heading" in taken:
        number, name = number + 1, f"{made}-{number + 1}"
    return name

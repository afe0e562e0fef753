"""HTML in which everything is escaped unless it was made here, so that data can never become markup."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable
from typing import Any

VOID = frozenset({"meta", "br", "hr", "link", "img"})
EMPTY_SVG = frozenset({"path", "rect", "line", "circle"})
# Characters that HTML forbids even as entities, and those that turn the direction of the text after them.
FORBIDDEN = re.compile("[\u202a-\u202e\u2066-\u2069\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


Content = Any
"""Markup, text (escaped), a number, None (nothing), or an iterable of these."""


def escape(text: object) -> str:
    """Text made safe for an element or a quoted attribute; forbidden characters become `�`."""
    return html.escape(FORBIDDEN.sub("\ufffd", str(text)), quote=True)


def join(content: Content) -> Markup:
    """One piece of markup from any content."""
    if content is None or content is False:
        return Markup("")
    if isinstance(content, Markup):
        return content
    if isinstance(content, str) or not isinstance(content, Iterable):
        return Markup(escape(content))
    return Markup("".join([join(each) for each in content]))


def tag(element: str, /, *content: Content, **attributes: Any) -> Markup:
    """An element; attribute names lose a last `_` and take `-` for `_`; None and False leave an attribute out, True writes it bare."""
    written = "".join([_attribute(key, value) for key, value in attributes.items() if value is not None and value is not False])
    if element in VOID or (element in EMPTY_SVG and not content):
        return Markup(f"<{element}{written}/>")
    return Markup(f"<{element}{written}>{join(content)}</{element}>")


def _attribute(key: str, value: Any) -> str:
    key = key.removesuffix("_").replace("_", "-") if key != "viewBox" else key
    return f' {key}=""' if value is True else f' {key}="{escape(value)}"'


def quote(value: Any, limit: int = 60) -> Markup:
    """A value from the data, isolated from the direction of its script, cut at `limit` characters with the whole in its title."""
    text = "" if value is None else str(value)
    if not text:
        return tag("span", "empty" if value is not None else "missing", class_="soft")
    if len(text) <= limit:
        return tag("bdi", text)
    return tag("bdi", text[:limit] + "…", title=text[:400] + ("…" if len(text) > 400 else ""))


def code(value: Any, limit: int = 60) -> Markup:
    """A name of the data or the configuration, in the type of code."""
    return tag("code", quote(value, limit))


def table(head: list[Content], rows: Iterable[list[Content]], *, label: str, numeric: Iterable[int] = (), class_: str = "") -> Markup:
    """A table in a box of its own that scrolls sideways by itself; columns in `numeric` are set to the right."""
    numeric = frozenset(numeric)
    kind = dict.fromkeys(numeric, "num")
    top = tag("tr", [tag("th", each, scope="col", class_=kind.get(index)) for index, each in enumerate(head)])
    body = [tag("tr", [_cell(index, each, kind.get(index)) for index, each in enumerate(row)]) for row in rows]
    return scroll(tag("table", tag("thead", top), tag("tbody", body), class_=class_ or None), label)


def _cell(index: int, content: Content, class_: str | None) -> Markup:
    return tag("th", content, scope="row") if index == 0 else tag("td", content, class_=class_)


def scroll(content: Content, label: str) -> Markup:
    """A box that scrolls sideways by itself, reachable from the keyboard."""
    return tag("div", content, class_="scroll", role="region", aria_label=label, tabindex="0")


def note(*content: Content) -> Markup:
    """A quiet remark."""
    return tag("p", *content, class_="soft")


def hidden_rest(shown: int, total: int, what: str, where: str) -> Markup | None:
    """Says how many of `total` are not shown, and the file that has them all."""
    if total <= shown:
        return None
    return note(f"{total - shown:,} more {what} are not shown; ", tag("code", where), " has them all.")

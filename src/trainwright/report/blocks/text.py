"""Text, or code with a button that copies it."""

from __future__ import annotations

import shlex
from typing import Literal

from trainwright.report.blocks.base import Block, Cell, Piece, Sheet, cell
from trainwright.report.markup import Content, Markup, note, tag

LONGEST = 20_000
"""Characters of a code block."""


class Text(Block):
    """A paragraph, or code: `{run}` in it becomes the run's directory as the language writes it."""

    text: Cell
    code: Literal["none", "shell", "python", "plain"] = "none"
    wide: bool = True

    def draw(self, sheet: Sheet) -> Content:
        """The paragraph, every character of it escaped."""
        if self.code == "none":
            shown = cell(self.text, limit=4000)
            # a warning is a paragraph already
            return shown if isinstance(self.text, Piece) and self.text.style == "warning" else note(shown)
        text = str(self.text)
        if self.code != "plain":
            path = str(sheet.run)
            text = text.replace("{run}", shlex.quote(path) if self.code == "shell" else repr(path))
        return snippet(text[:LONGEST] + ("…" if len(text) > LONGEST else ""), self.title or "code")


def snippet(text: str, label: str) -> Markup:
    """Code in a box of its own, with a button that copies it."""
    button = tag("button", "copy", type="button", class_="copy", aria_label=f"Copy: {label}", hidden=True)
    return tag("div", tag("pre", tag("code", text), tabindex="0", aria_label=label, role="region"), button, class_="snippet")

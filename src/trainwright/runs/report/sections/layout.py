"""The shape shared by all sections: a heading in the margin, the matter beside it."""

from __future__ import annotations

from dataclasses import dataclass

from trainwright.runs.report.markup import Content, Markup, tag


@dataclass(frozen=True)
class Section:
    """A section of the page: its anchor, heading, one line under it, and its matter."""

    anchor: str
    heading: str
    lede: Content
    body: Content

    def render(self) -> Markup:
        """The section as markup."""
        name = f"{self.anchor}-heading"
        head = tag("header", tag("h2", self.heading, id=name), tag("p", self.lede) if self.lede else None)
        return tag("section", head, tag("div", self.body, class_="matter"), id=self.anchor, aria_labelledby=name)


def grid(*figures: Content) -> Markup:
    """Charts side by side where there is room, one under another where there is not."""
    return tag("div", *figures, class_="charts")

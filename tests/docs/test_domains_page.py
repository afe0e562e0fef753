"""What the page *Write a domain* shows of its example is the example's."""

from __future__ import annotations

import re

from pages import ROOT, blocks

PAGE = ROOT / "docs/domains.md"
NAMED = re.compile(r"a piece of (\S+)")


def test_pieces_of_the_example_are_shown_as_they_are() -> None:
    shown = [(NAMED.search(each.skip), each.text) for each in blocks(PAGE) if each.skip]
    assert len(shown) >= 7
    for named, text in shown:
        assert named is not None
        pieces = text.strip().split("\n\n\n")
        source = (ROOT / named[1]).read_text()
        assert [piece for piece in pieces if piece.strip() not in source] == [], named[1]


def test_everything_that_a_domain_can_bring_is_on_the_page() -> None:
    from dataclasses import fields

    from trainwright.domains import Domain

    page = PAGE.read_text()
    assert [each.name for each in fields(Domain)[2:] if f"`{each.name}`" not in page] == []

"""No part of a page that is in order has the colour of warnings."""

from __future__ import annotations

import re
from pathlib import Path

import trainwright.report

STYLE = (Path(trainwright.report.__file__).parent / "style.css").read_text()
WARNED = {".verdict.loses .lede::before", ".cautions", ".warn"}
"""What says that something is not in order."""


def test_series_and_shares_have_colours_of_their_own_in_both_themes() -> None:
    series = "".join(rf" --c{number}: (#\w+);" for number in range(4))
    themes = re.findall(rf"--warm: (#\w+); --good: \S+ --bad: (#\w+);.*?{series}", STYLE, re.S)
    assert len(themes) == 3
    for warm, bad, *lines in themes:
        assert not {warm, bad} & set(lines) and len(set(lines)) == 4


def test_only_warnings_are_drawn_in_the_colour_of_warnings() -> None:
    rules = re.findall(r"([^{}]+)\{([^{}]*)\}", STYLE)
    warned = {name.strip() for name, body in rules if re.search(r"var\(--(warm|bad)\)", body)}
    assert warned == WARNED

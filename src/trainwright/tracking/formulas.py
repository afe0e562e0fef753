"""Texts that a spreadsheet runs when it opens a CSV file, and how they are kept from running."""

from __future__ import annotations

import re

FORMULA = r"^[=+\-@\t\r\n＝＋－＠]"
"""How a text begins that spreadsheets run or import as a formula, in ASCII and in full width (OWASP, CSV Injection)."""
NUMBER = r"^[+\-]?(\d+\.?\d*|\.\d+)([eE][+\-]?\d+)?$"
"""A number is no formula, though it begins with a sign."""


def escape_formula(text: str) -> str:
    """The text, with a `'` before it when a spreadsheet would run it."""
    return f"'{text}" if re.search(FORMULA, text) and not re.search(NUMBER, text) else text

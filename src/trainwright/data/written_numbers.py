"""Numbers whose written form says more than their value: codes with leading zeros, phone numbers, versions, numbers longer than a float."""

from __future__ import annotations

import mmap
import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from trainwright.data.text import compression_of, opened_bytes

ZEROS, HEX, LONG, DOTS, PLUS, MINUS = (
    "leading zeros",
    "hexadecimal",
    "more digits than a number holds",
    "several dots",
    "plus signs",
    "minus",
)
VERSIONS, OVERFLOW = "versions such as 1.10", "exponents beyond the range of numbers"

FORMS: dict[str, str] = {
    ZEROS: r"^\s*[+-]?0[0-9]+(\.[0-9]*)?\s*$",
    HEX: r"^\s*[+-]?0[xX][0-9a-fA-F]+\s*$",
    LONG: r"^\s*[+-]?(9[0-9]{15}|[1-9][0-9]{16,})\s*$",
    DOTS: r"^\s*[0-9]+(\.[0-9]+){2,}\s*$",
    PLUS: r"^\s*\+[0-9]+\s*$",
    MINUS: r"^\s*-",
    OVERFLOW: r"^\s*[0-9]+[eE]\+?[0-9]{3,}\s*$",
}
"""What a written number may tell beside its value, as patterns of RE2. Near 9e15, beyond 2^53, floats begin to have gaps."""

ANY = r"^\s*(?:[+-]?0[0-9xX]|\+[0-9]|[+-]?[0-9]{16}|[0-9]+(?:\.[0-9]+){2}|[0-9]+[eE]\+?[0-9]{3})"
"""What all of these but minus signs begin with: one look instead of seven for a column that has none."""

DECIDING = (ZEROS, HEX, DOTS, LONG, OVERFLOW)
"""Forms that alone make a column text."""

VERSION_NAME = re.compile(r"(^|[_\s.-])(v|ver|version|release|build|firmware|revision|rev)s?$|[a-z](Version|Release|Build)$", re.IGNORECASE)
VERSION = re.compile(r"\s*([0-9]{1,3})(?:\.([0-9]{1,3}))?\s*")
DISTINCT = 1000
"""Versions are few; a column with more different values is none."""
BLOCK, OVERLAP = 1 << 23, 1 << 8


def forms_in(texts: pa.Array | pa.ChunkedArray) -> set[str]:
    """The `FORMS` that occur among the texts."""
    found = {MINUS} if pc.any(pc.starts_with(texts, "-")).as_py() else set()
    if not _holds(texts, ANY):
        return found
    return found | {name for name, pattern in FORMS.items() if name not in found and _holds(texts, pattern)}


def _holds(texts: pa.Array | pa.ChunkedArray, pattern: str) -> bool:
    return bool(pc.any(pc.match_substring_regex(texts, pattern)).as_py())


def reason_to_keep(name: str, forms: set[str], distinct: Sequence[str]) -> str:
    """Why a column of written numbers stays text, or an empty string.

    Args:
        name: of the column; one named `version` needs less evidence to hold versions.
        forms: that occur among all its values (see `forms_in`).
        distinct: its different values, or the first of them.
    """
    for form in DECIDING:
        if form in forms:
            return form
    if PLUS in forms and MINUS not in forms:  # with both signs they are differences, written with their sign
        return PLUS
    return VERSIONS if _are_versions(name, distinct) else ""


def _are_versions(name: str, distinct: Sequence[str]) -> bool:
    """Whether 1.1 and 1.10 are two things: fractions of different length, of which one ends with a zero that a number would lose.

    Whole numbers among them (1.1, 1.10, 2) speak neither for nor against it.
    """
    found = [VERSION.fullmatch(text) for text in distinct]
    if len(distinct) >= DISTINCT or len(distinct) < 2 or not all(found):
        return False
    pairs = [(int(each[1]), each[2]) for each in found if each and each[2]]
    if len({len(fraction) for _, fraction in pairs}) == 1 or not any(len(each) > 1 and each[-1] == "0" for _, each in pairs):
        return False
    return bool(VERSION_NAME.search(name)) or len({(whole, fraction.rstrip("0")) for whole, fraction in pairs}) < len(pairs)


def could_be_versions(first: Sequence[str]) -> bool:
    """Whether the first values of a float column are written as versions may be, and come again, so that a look at all of them is due."""
    few = len(set(first)) <= max(20, len(first) // 2)
    return few and all(VERSION.fullmatch(value) for value in first)


def may_hold_codes(path: Path, delimiter: str, quote: str) -> bool:
    """Whether anywhere in a text file a value is written in one of the `FORMS` that numbers lose; reads it once, in parallel."""
    before = re.escape(delimiter).replace("\\\t", "\\t")
    edge = rf"""\r\n"{re.escape(quote) if quote else ""}{before}"""
    value = r"[+-]?0[0-9]+(\.[0-9]*)?|[+-]?0[xX][0-9a-fA-F]+|\+[0-9]+|[+-]?[0-9]{16,}|[0-9]+[eE]\+?[0-9]{3,}"
    pattern = rf"(?:^|[{edge}])[ \t]*(?:{value})[ \t]*(?:[{edge}]|$)"
    if compression_of(path):
        return any(_matches(block, pattern) for block in _blocks(path))
    with path.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return _search(content, pattern)


def _search(content: mmap.mmap, pattern: str) -> bool:
    with memoryview(content) as held, ThreadPoolExecutor() as workers:
        return any(workers.map(lambda piece: _matches(held[slice(*piece)], pattern), _pieces(content)))


def _pieces(content: mmap.mmap) -> Iterator[tuple[int, int]]:
    """Where the file is cut, at line ends where it has them."""
    start = 0
    while start < len(content):
        end = min(start + BLOCK, len(content))
        if end < len(content):
            cut = content.rfind(b"\n", start, end)
            if cut <= start:  # one long line: a value may lie across the cut, so that the pieces overlap
                yield start, end
                start = end - OVERLAP
                continue
            end = cut
        yield start, end
        start = end


def _blocks(path: Path) -> Iterator[bytes]:
    """A compressed file as text, in blocks of whole lines."""
    rest = b""
    with opened_bytes(path) as opened:
        while read := opened.read(BLOCK):
            text = rest + read
            cut = text.rfind(b"\n") + 1
            yield text[:cut]
            rest = text[cut:]
    yield rest


def _matches(content: memoryview | bytes, pattern: str) -> bool:
    with memoryview(content) as part:
        offsets = pa.py_buffer((0).to_bytes(8, "little") + len(part).to_bytes(8, "little"))
        text = pa.Array.from_buffers(pa.large_binary(), 1, [None, offsets, pa.py_buffer(part)])
        found = bool(pc.any(pc.match_substring_regex(text, pattern)).as_py())
        del text  # it holds on to the mapped bytes
    return found

"""Records that are broken as those of real sets are: what a reader meets sooner or later."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

INVALID = b"\x00\x80"
"""−32768: a sample that is not valid, in format 16."""


def remove_signals(place: Path, name: str) -> None:
    """A header without its signals."""
    _signals(place, name).unlink()


def cut_signals(place: Path, name: str) -> None:
    """Fewer samples than the header says, and not a whole number of frames."""
    file = _signals(place, name)
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2 - 5])


def forget_rate(place: Path, name: str) -> None:
    """No sampling frequency in the header."""
    _replace_first_line(place, name, lambda words: words[:2])


def zero_rate(place: Path, name: str) -> None:
    """A sampling frequency of 0."""
    _replace_first_line(place, name, lambda words: [*words[:2], "0", *words[3:]])


def name_unknown_format(place: Path, name: str) -> None:
    """A format that there is not."""
    header = place / f"{name}.hea"
    header.write_text(header.read_text(encoding="utf-8").replace(" 16+24 ", " 999 ").replace(".dat 16 ", ".dat 999 "), encoding="utf-8")


def invalidate_lead(place: Path, name: str) -> None:
    """A lead whose samples are all invalid: NaN."""
    file = _signals(place, name)
    content = bytearray(file.read_bytes())
    offset = 24 if file.suffix == ".mat" else 0
    for start in range(offset + 2, len(content), 24):  # twelve leads of two bytes; the second one
        content[start : start + 2] = INVALID
    file.write_bytes(bytes(content))


def empty_header(place: Path, name: str) -> None:
    """A header of no bytes."""
    (place / f"{name}.hea").write_bytes(b"")


BREAKS: tuple[Callable[[Path, str], None], ...] = (
    remove_signals,
    cut_signals,
    forget_rate,
    zero_rate,
    name_unknown_format,
    invalidate_lead,
    empty_header,
)
"""The ways, in the order in which `--broken` takes them."""


def _signals(place: Path, name: str) -> Path:
    return next(file for file in (place / f"{name}.mat", place / f"{name}.dat") if file.exists())


def _replace_first_line(place: Path, name: str, change: Callable[[list[str]], list[str]]) -> None:
    header = place / f"{name}.hea"
    first, _, rest = header.read_text(encoding="utf-8").partition("\n")
    header.write_text(" ".join(change(first.split(" "))) + "\n" + rest, encoding="utf-8")

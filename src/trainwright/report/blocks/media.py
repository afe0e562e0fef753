"""Files of a run that a block names: found inside the run alone, held in the page while there is room."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from urllib.parse import quote as quote_url

from trainwright.config.errors import RunError
from trainwright.config.received import read_bytes
from trainwright.report.blocks.base import CannotDraw, Cell, Fields, Sheet, cell
from trainwright.report.markup import Content, Markup, note, quote, tag

MOST = 24
"""Files of a block that are shown."""
LARGEST = 1 << 20
"""Bytes of a file in the page; larger ones lie beside it and are linked."""
ROOM_FOR_TEXT = 3_000_000
"""Bytes of the page that media leave to everything else."""


class MediaFile(Fields):
    """A file of the run, with what is said of it."""

    file: str
    caption: Cell = ""


def draw_files(files: Sequence[str | MediaFile], draw: Callable[[MediaFile, Content], Markup]) -> Content:
    """The first files, each drawn with its caption or name, and how many more there are."""
    found = [MediaFile(file=each) if isinstance(each, str) else each for each in files]
    rest = note(f"{len(found) - MOST} more are not shown.") if len(found) > MOST else None
    return [tag("div", [draw(each, _caption(each)) for each in found[:MOST]], class_="charts"), rest]


def _caption(each: MediaFile) -> Content:
    return cell(each.caption, limit=200) if each.caption else quote(each.file.removeprefix("media/"), 80)


def find_inside(run: Path, name: str) -> Path:
    """The file that a path names. Raises CannotDraw for one that is not there, or not in the run."""
    if not name or "\x00" in name or "\\" in name or Path(name).is_absolute() or ".." in Path(name).parts:
        raise CannotDraw(f"{name[:100]!r} is no path in the run")
    found = run / name
    try:
        if not found.is_file():
            raise CannotDraw(f"there is no file {name[:100]!r} in the run")
        if not found.resolve().is_relative_to(run.resolve()):
            raise CannotDraw(f"{name[:100]!r} leads out of the run")
    except OSError as error:
        raise CannotDraw(f"{name[:100]!r} cannot be read: {error.strerror}") from None
    return found


def embed(sheet: Sheet, name: str, types: Mapping[str, str]) -> str | None:
    """The file as a `data:` address, None where it is too large for the page. Raises CannotDraw for a file that is not of `types`."""
    kind = types.get(Path(name).suffix.lower())
    if kind is None:
        raise CannotDraw(f"{name[:100]!r} is none of {', '.join(types)}")
    found = find_inside(sheet.run, name)
    size = found.stat().st_size
    if size > LARGEST or 4 * size // 3 > sheet.room - ROOM_FOR_TEXT - sheet.held:
        return None
    try:
        data = read_bytes(found, LARGEST)
    except RunError as error:
        raise CannotDraw(error.why or error.what) from None
    sheet.held += 4 * len(data) // 3
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def link(name: str, said: Content) -> Markup:
    """A link to a file that lies beside the page."""
    return tag("a", said, href=quote_url(f"./{name}"))

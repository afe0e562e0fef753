"""Pictures of the run: in the page where they are small, else linked."""

from __future__ import annotations

from collections.abc import Sequence

from trainwright.report.blocks.base import Block, Sheet, cell
from trainwright.report.blocks.media import MediaFile, embedded, link
from trainwright.report.markup import Content, Markup, note, quote, tag

TYPES = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".gif": "image/gif",
    ".svg": "image/svg+xml",
    ".webp": "image/webp",
}
MOST = 24


class Images(Block):
    """Pictures side by side."""

    files: Sequence[str | MediaFile]
    """Paths in the run, such as `media/step-10.png`."""
    wide: bool = True

    def draw(self, sheet: Sheet) -> Content:
        """The first pictures, each over its name or caption."""
        files = [MediaFile(file=each) if isinstance(each, str) else each for each in self.files]
        rest = note(f"{len(files) - MOST} more are not shown.") if len(files) > MOST else None
        return [tag("div", [_picture(each, sheet) for each in files[:MOST]], class_="charts"), rest]


def _picture(each: MediaFile, sheet: Sheet) -> Markup:
    said = cell(each.caption, limit=200) if each.caption else quote(each.file.removeprefix("media/"), 80)
    source = embedded(sheet, each.file, TYPES)
    if source is None:
        return tag("figure", tag("figcaption", link(each.file, said), " (too large to be shown here)"))
    return tag("figure", tag("img", src=source, alt=each.file.rpartition("/")[2], loading="lazy"), tag("figcaption", said))

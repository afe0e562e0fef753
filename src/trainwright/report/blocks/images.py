"""Pictures of the run: in the page where they are small, else linked."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from trainwright.report.blocks.base import Block, Sheet
from trainwright.report.blocks.media import MediaFile, draw_files, embed, link
from trainwright.report.markup import Content, Markup, tag

TYPES = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".gif": "image/gif",
    ".svg": "image/svg+xml",
    ".webp": "image/webp",
}


class Images(Block):
    """Pictures side by side."""

    files: Sequence[str | MediaFile]
    """Paths in the run, such as `media/step-10.png`."""
    wide: bool = True

    def draw(self, sheet: Sheet) -> Content:
        """The first pictures, each over its name or caption."""
        return draw_files(self.files, partial(_picture, sheet))


def _picture(sheet: Sheet, each: MediaFile, said: Content) -> Markup:
    source = embed(sheet, each.file, TYPES)
    if source is None:
        return tag("figure", tag("figcaption", link(each.file, said), " (too large to be shown here)"))
    return tag("figure", tag("img", src=source, alt=each.file.rpartition("/")[2], loading="lazy"), tag("figcaption", said))

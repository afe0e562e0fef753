"""Sounds of the run: in the page where they are small, else linked."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from trainwright.report.blocks.base import Block, Sheet
from trainwright.report.blocks.media import MediaFile, draw_files, embed, link
from trainwright.report.markup import Content, Markup, tag

TYPES = {".wav": "audio/wav", ".mp3": "audio/mpeg", ".ogg": "audio/ogg", ".flac": "audio/flac", ".m4a": "audio/mp4"}


class Audio(Block):
    """Sounds, each with a player."""

    files: Sequence[str | MediaFile]
    """Paths in the run, such as `media/step-10.wav`."""
    wide: bool = True

    def draw(self, sheet: Sheet) -> Content:
        """The first sounds, each under its name or caption."""
        return draw_files(self.files, partial(_player, sheet))


def _player(sheet: Sheet, each: MediaFile, said: Content) -> Markup:
    source = embed(sheet, each.file, TYPES)
    if source is None:
        return tag("figure", tag("figcaption", link(each.file, said), " (too large to be played here)"))
    return tag("figure", tag("figcaption", said), tag("audio", src=source, controls=True, preload="none", aria_label=each.file))

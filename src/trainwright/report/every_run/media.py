"""Pictures and sounds that the run saved under `media/`, the newest of each name."""

from __future__ import annotations

import re
from pathlib import Path

from trainwright.report.blocks import audio, images
from trainwright.report.blocks.base import Block
from trainwright.report.every_run.layout import ReportSection
from trainwright.report.markup import Content, note, tag
from trainwright.report.material import Material

SHOWN = 12


def media(material: Material) -> ReportSection | None:
    """The newest of every name, by time, without folders that other blocks stand for (`shown_media`); None when there are none."""
    folder, elsewhere = material.path / "media", material.analysis.get("shown_media") or []
    found = [each for each in folder.rglob("*") if each.suffix.lower() in (*images.TYPES, *audio.TYPES) and each.is_file()]
    found = [each for each in found if each.relative_to(folder).parts[0] not in elsewhere]
    if not found:
        return None
    newest: dict[str, Path] = {}
    for each in sorted(found, key=lambda file: (file.stat().st_mtime, file.name)):
        newest[re.sub(r"\d+", "#", str(each.relative_to(folder)))] = each
    chosen = [
        each.relative_to(material.path).as_posix() for each in sorted(newest.values(), key=lambda file: file.stat().st_mtime)[-SHOWN:]
    ]
    sounds = [each for each in chosen if Path(each).suffix.lower() in audio.TYPES]
    pictures = [each for each in chosen if each not in sounds]
    body: list[Content | Block] = [images.Images(files=pictures)] if pictures else []
    body += [audio.Audio(files=sounds)] if sounds else []
    rest = len(found) - len(chosen)
    if rest:
        body.append(note(f"{rest} more {'is' if rest == 1 else 'are'} in ", tag("code", "media/"), "."))
    return ReportSection("media", "Media", "Saved by the system while it trained: the newest of each name.", body)

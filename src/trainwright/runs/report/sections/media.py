"""Pictures that the run saved under `media/`, the newest of each name, in the page itself."""

from __future__ import annotations

import base64
import re
from pathlib import Path

from trainwright.runs.report.markup import Content, Markup, note, quote, tag
from trainwright.runs.report.material import Material
from trainwright.runs.report.sections.layout import Section, grid

TYPES = {".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".gif": "image/gif", ".svg": "image/svg+xml"}
SHOWN = 12
LARGEST = 1 << 20
"""Bytes above which a picture is only named: the page holds all it shows."""


def media(material: Material) -> Section | None:
    """The newest picture of every name, by time; None when there are none."""
    folder = material.path / "media"
    found = [each for each in folder.rglob("*") if each.suffix.lower() in TYPES and each.is_file()] if folder.is_dir() else []
    if not found:
        return None
    newest: dict[str, Path] = {}
    for each in sorted(found, key=lambda file: (file.stat().st_mtime, file.name)):
        newest[re.sub(r"\d+", "#", str(each.relative_to(folder)))] = each
    chosen = sorted(newest.values(), key=lambda file: file.stat().st_mtime)[-SHOWN:]
    body: list[Content] = [grid(*[_picture(each, folder) for each in chosen])]
    rest = len(found) - len(chosen)
    if rest:
        body.append(note(f"{rest} more {'is' if rest == 1 else 'are'} in ", tag("code", "media/"), "."))
    return Section("media", "Media", "Saved by the system while it trained: the newest of each name.", body)


def _picture(file: Path, folder: Path) -> Markup:
    name = quote(str(file.relative_to(folder)), 80)
    if file.stat().st_size > LARGEST:
        return tag("figure", tag("figcaption", name, " (too large to be shown here)"))
    data = base64.b64encode(file.read_bytes()).decode()
    source = f"data:{TYPES[file.suffix.lower()]};base64,{data}"
    return tag("figure", tag("img", src=source, alt=str(file.name), loading="lazy"), tag("figcaption", name))

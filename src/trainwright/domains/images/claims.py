"""Which files and folders are pictures."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from trainwright.config.domain import Claim
from trainwright.domains.images.sources.endings import IMAGES, MASKS, PICTURES, is_litter, is_picture

MOST_BESIDE = 4
"""Folders up to which `images` and `masks` are no names of classes among others."""
MOSTLY = 0.95
"""Share of the values of a column of pictures that are named as such."""
LOOKED_AT = 5000
"""Files of a folder that are looked at: what it is, is seen long before the last."""


def claims(path: Path) -> Claim | None:
    """A folder of pictures, or one of them."""
    return claim_folder(path) if path.is_dir() else claim_file(path)


def claim_file(path: Path) -> Claim | None:
    """One picture."""
    return Claim(70, "a picture", "image_folder") if path.is_file() and is_picture(path.name) else None


def claim_folder(path: Path) -> Claim | None:
    """A folder of pictures; more surely where hardly anything else lies in it."""
    pictures = others = 0
    for name in walk(path, LOOKED_AT):
        pictures, others = pictures + name.endswith(PICTURES), others + (not name.endswith((*PICTURES, ".txt", ".md", ".json")))
    if not pictures:
        return None
    if has_masks(path):
        return Claim(80, "pictures, and masks beside them", "image_masks")
    shown = f"{pictures:,}" if pictures + others < LOOKED_AT else f"{pictures:,} or more"
    return Claim(72 if pictures > 10 * others else 65, f"a folder of pictures, {shown}", "image_folder")


def has_masks(path: Path) -> bool:
    """Whether a folder of pictures and one of masks lie in a folder, or in its folder for training."""
    for folder in (path, *(path / each for each in ("train", "training"))):
        names = {each.name.lower() for each in folder.iterdir() if each.is_dir()} if folder.is_dir() else set()
        if names & set(IMAGES) and names & set(MASKS) and len(names) <= MOST_BESIDE:
            return True
    return False


def walk(folder: Path, most: int) -> Iterator[str]:
    """The names in small letters of the first files in a folder and below, without what is hidden; what lies near the top comes first."""
    waiting, seen = [str(folder)], 0
    while waiting and seen < most:
        place, below = waiting.pop(0), list[str]()
        try:
            with os.scandir(place) as entries:
                for entry in entries:
                    if is_litter(entry.name):
                        continue
                    if entry.is_dir(follow_symlinks=False):
                        below.append(entry.path)
                    else:
                        seen += 1
                        yield entry.name.lower()
                    if seen >= most:
                        return
        except OSError:
            continue  # told by what reads it
        waiting += sorted(below)


def infers(column: str, values: Sequence[str]) -> tuple[str, str] | None:
    """A column whose values end as pictures do."""
    endings = Counter(os.path.splitext(each.strip().partition("#")[0])[1].lower() for each in values)
    named = [ending for ending, _ in endings.most_common() if ending in PICTURES]
    if sum(endings[each] for each in named) < MOSTLY * len(values):
        return None
    return "image", f"names of pictures ({', '.join(named[:4])})"

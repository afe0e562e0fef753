"""Which files and folders are pictures."""

from __future__ import annotations

from collections import Counter
from itertools import islice
from pathlib import Path

from trainwright.config.domain import Claim
from trainwright.domains.images.sources.image_folder import PICTURES, walk

LOOKED_AT = 5000
"""Files of a folder that are looked at: what it is, is seen long before the last."""


def claims(path: Path) -> Claim | None:
    """A folder of pictures, or one of them."""
    if not path.is_dir():
        return Claim(70, "a picture", "image_folder") if path.is_file() and path.suffix.lower() in PICTURES else None
    counts = Counter(each.suffix.lower() for each in islice(walk(path), LOOKED_AT))
    pictures = sum(counts[each] for each in PICTURES)
    shown = f"{pictures:,}" if sum(counts.values()) < LOOKED_AT else f"{pictures:,} or more"
    return Claim(65, f"a folder of pictures, {shown}", "image_folder") if pictures else None

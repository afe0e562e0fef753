"""What is done with whole batches of pictures, once they are normalised, and what follows the epoch. Imports no torch."""

from __future__ import annotations

from trainwright.config.part import Part

_HERE = "trainwright.domains.images.transforms.batches"


def _part(path: str, options: str, summary: str) -> Part:
    return Part(f"{_HERE}.{path}", f"{_HERE}.options:{options}", summary)


PARTS: dict[str, Part] = {
    "random_erasing": _part("erasing:RandomErasing", "RandomErasingOptions", "boxes of a picture erased"),
    "cutout": _part("erasing:Cutout", "CutoutOptions", "squares of one size erased, cut off at the edges"),
    "progressive_resize": _part("sizes:ProgressiveResize", "ProgressiveResizeOptions", "smaller pictures at first, larger ones later"),
    "alternating_flip": _part("flipping:AlternatingFlip", "AlternatingFlipOptions", "flipped in every other epoch"),
}
